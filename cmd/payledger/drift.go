package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/projections/selfaudit"
	"payledger/readmodels/checkpoints"
)

// Drift beyond this is not told: it is one fault then, not many.
const (
	doctorDrift = 10
	verifyDrift = 100
)

// driftLine is a place where a read model differs from the log.
type driftLine struct {
	Projection string `json:"projection"`
	Tenant     string `json:"tenant"`
	Key        string `json:"key"`
	Stream     string `json:"stream"`
	What       string `json:"what"`
	FirstSeen  string `json:"firstSeen"`
	LastSeen   string `json:"lastSeen"`

	object   string
	position int64
}

func (d driftLine) String() string {
	return fmt.Sprintf("drift in %s: %s of tenant %s, stream %s: %s; since %s", d.Projection, visible(d.Key), visible(d.Tenant), visible(d.Stream), d.What, d.FirstSeen)
}

// plainWord is what a shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9._:@/+-]+$`)

// shellWord is a text as one word of a shell's command.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	quoted := strconv.Quote(text)
	return "$'" + strings.NewReplacer(`\"`, `"`, `'`, `\'`).Replace(quoted[1:len(quoted)-1]) + "'"
}

// cure is the command that puts it right.
func (d driftLine) cure() string {
	key := d.Stream
	if key == "" { // no stream tells of it
		key = d.Key
	}
	switch {
	case d.Projection == selfaudit.ProjectionKafka:
		return fmt.Sprintf("payledger republish --to %s --from %d --until %d", d.object, d.position, d.position)
	case strings.HasPrefix(d.Key, "control/"):
		return "heal the rows or postings that are told beside it"
	}
	cure := "payledger heal " + shellWord(key) + " --projection " + d.Projection
	if d.Tenant == "" { // of what somebody made up
		return cure
	}
	return cure + " --tenant " + shellWord(d.Tenant) // several may have the key
}

// knownDrift returns what the self-audit found, nothing where it never ran.
func knownDrift(ctx context.Context, pool *pgxpool.Pool, limit int) ([]driftLine, error) {
	known, err := selfaudit.List(ctx, pool, limit)
	if errors.Is(err, checkpoints.ErrNotBuilt) {
		return nil, nil
	}
	lines := make([]driftLine, len(known))
	for i, d := range known {
		lines[i] = driftLine{
			d.Projection, d.Tenant, d.Key(), d.Stream, d.What, d.FirstSeen.UTC().Format(time.RFC3339), d.LastSeen.UTC().Format(time.RFC3339),
			d.Object, d.Position,
		}
	}
	return lines, err
}

const sqlSelfAudit = `
SELECT position, state, problem, lease_until > now() FROM ledger.checkpoints WHERE projection = $1 AND version = $2`

// examineDrift says how far the self-audit has looked, and each place that differs.
func examineDrift(ctx context.Context, pool *pgxpool.Pool) []check {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c := check{Name: "self-audit", OK: true, Detail: "never ran", code: exitDamaged}
	var position int64
	var state, problem string
	var leased bool
	err := pool.QueryRow(ctx, sqlSelfAudit, selfaudit.Name, selfaudit.Version).Scan(&position, &state, &problem, &leased)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return []check{{Name: "self-audit", Detail: err.Error(), code: exitFailed}}
	default:
		c.Detail = fmt.Sprintf("looked at everything up to %d", position)
		if !leased {
			c.Detail += ", nobody runs it"
		}
		if c.OK = state == "running"; !c.OK {
			c.Detail += ", HALTED: " + problem
		}
	}
	lines, err := knownDrift(ctx, pool, doctorDrift)
	if err != nil {
		return []check{c, {Name: "drift", Detail: err.Error(), code: exitFailed}}
	}
	checks := []check{c}
	for _, d := range lines {
		checks = append(checks, check{
			Name: "drift in " + d.Projection, code: exitDamaged,
			Detail: fmt.Sprintf("%s of tenant %s: %s; since %s; %s", visible(d.Key), visible(d.Tenant), d.What, d.FirstSeen, d.cure()),
		})
	}
	return checks
}

// addDrift makes known drift a fault of the verification.
func (l *ledger) addDrift(ctx context.Context, answer *verified) error {
	lines, err := knownDrift(ctx, l.pool, verifyDrift)
	if err != nil || len(lines) == 0 {
		return err
	}
	answer.Drift = lines
	if answer.OK {
		answer.OK = false
		answer.Problem = fmt.Sprintf("the self-audit found that %s of %s differs from the log", lines[0].Key, lines[0].Projection)
	}
	return nil
}
