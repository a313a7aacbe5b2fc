package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"payledger/cmd/payledger/internal/devstack"
	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
)

func (a *app) tokenCommand() *cobra.Command {
	var claims devstack.Claims
	var dir string
	cmd := &cobra.Command{
		Use:     "token --role ROLE",
		Short:   "Print a token of the development issuer",
		Example: "  payledger token --role staff\n  payledger token --role member --user 0197f2a0-0000-7000-8000-000000000001 --ttl 15m",
		Args:    exactly(0),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if cfg.OIDCIssuer != "" || cfg.JWTKeysFile != "" {
				return refused("another issuer is configured: take a token from there")
			}
			people := devstack.People()
			i := slices.IndexFunc(people, func(p devstack.Person) bool { return p.Role == claims.Role })
			switch {
			case i < 0:
				return usageError(fmt.Errorf("--role %q: there is no such role", claims.Role))
			case claims.Subject == "":
				claims.Subject = people[i].ID
			default:
				id, ok := input.ParseID(claims.Subject)
				if !ok {
					return usageError(fmt.Errorf("--user %q is neither a UUID nor 24 hexadecimal digits", claims.Subject))
				}
				claims.Subject = id
			}
			switch {
			case claims.Tenant == "":
				return usageError(errors.New("--tenant is empty"))
			case !auth.ValidName(claims.Tenant): // as the verifier of tokens sees it
				return usageError(errors.New("--tenant: at most 128 bytes, without control characters"))
			case claims.TTL < time.Second: // tokens count in seconds
				return usageError(fmt.Errorf("--ttl %s: at least a second", claims.TTL))
			}
			if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
				return refused("no data in %s: start `payledger dev` once, or name its folder with --data-dir", dir)
			}
			issuer, err := devstack.OpenIssuer(dir, cfg.OIDCAudience)
			if err != nil {
				return err
			}
			token, err := issuer.Token(claims, a.now())
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]string{"token": token})
			}
			_, err = fmt.Fprintln(a.stdout, token)
			return err
		},
	}
	cmd.Flags().StringVar(&claims.Role, "role", "", "member, staff, supervisor, finance, auditor, service or admin")
	cmd.Flags().StringVar(&claims.Subject, "user", "", "id of the user; default: the demo user of the role")
	cmd.Flags().StringVar(&claims.Tenant, "tenant", devstack.Tenant, "tenant of the token")
	cmd.Flags().DurationVar(&claims.TTL, "ttl", time.Hour, "how long the token is valid")
	cmd.Flags().StringVar(&dir, "data-dir", defaultDataDir, "data folder of payledger dev")
	return cmd
}
