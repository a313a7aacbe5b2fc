package eventstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Limits of the writer's connection. A writer that hangs while it holds the head stops all others, so the server ends it after
// idleTimeout; keepalives find a dead peer.
const (
	idleTimeout      = "2s"
	statementTimeout = "10s"
	keepAlive        = 5 * time.Second
	connectTimeout   = 5 * time.Second
	closeTimeout     = time.Second
)

// planSettings makes Postgres use the indexes whatever its statistics say: all our queries look few rows up, and a plan made
// while the tables were empty must not scan them later.
func planSettings(params map[string]string) {
	params["enable_seqscan"] = "off"
	params["enable_hashjoin"] = "off"
	params["enable_mergejoin"] = "off"
	params["jit"] = "off"
	params["plan_cache_mode"] = "force_generic_plan"
}

// writerConfig is the writer's connection to url.
func writerConfig(url string) (*pgconn.Config, error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	planSettings(config.RuntimeParams)
	config.RuntimeParams["application_name"] = "payledger writer"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = idleTimeout
	config.RuntimeParams["statement_timeout"] = statementTimeout
	config.RuntimeParams["tcp_keepalives_idle"] = "5"
	config.RuntimeParams["tcp_keepalives_interval"] = "1"
	config.RuntimeParams["tcp_keepalives_count"] = "3"
	config.ConnectTimeout = connectTimeout
	config.DialFunc = (&net.Dialer{KeepAlive: keepAlive, Timeout: connectTimeout}).DialContext
	return config, nil
}

// conn is a connection with the writer's statements prepared, and what the writer knows of the log through it.
type conn struct {
	pg    *pgconn.PgConn
	stmts [statementCount]*pgconn.StatementDescription
	left  footprint // of the last batch
	clock serverClock
}

func connect(ctx context.Context, config *pgconn.Config) (*conn, error) {
	pg, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	c := &conn{pg: pg}
	if err := c.prepare(ctx); err != nil {
		c.close(ctx)
		return nil, fmt.Errorf("prepare the writer's statements: %w", err)
	}
	return c, nil
}

func (c *conn) prepare(ctx context.Context) error {
	p := c.pg.StartPipeline(ctx)
	for i, sql := range sqlStatements() {
		p.SendPrepare(fmt.Sprintf("s%d", i), sql, nil)
	}
	if err := p.Sync(); err != nil {
		return err
	}
	for i := range c.stmts {
		answer, err := p.GetResults()
		if err != nil {
			return errors.Join(err, p.Close())
		}
		sd, ok := answer.(*pgconn.StatementDescription)
		if !ok {
			return fmt.Errorf("prepare statement %d: answered with %T", i, answer)
		}
		sd.Name = fmt.Sprintf("s%d", i)
		c.stmts[i] = sd
	}
	return p.Close()
}

func (c *conn) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = c.pg.Close(ctx) // nothing to be done about a connection that we give up
}

// call is one statement of a round trip. read, when set, gets each row in binary format; the bytes are only valid during the call.
type call struct {
	stmt   statement
	params [][]byte
	read   func(row [][]byte) error
	// failpoint, when set and failpoints are on, is passed once the statement is on its way.
	failpoint string
}

// exchange sends all calls at once and reads their answers. When one fails, the server skips the rest; the first error is returned.
func (c *conn) exchange(ctx context.Context, calls []call, failpoint func(string)) error {
	p := c.pg.StartPipeline(ctx)
	for i := range calls {
		p.SendQueryStatement(c.stmts[calls[i].stmt], calls[i].params, binaryFormat, binaryFormat)
		if failpoint == nil || calls[i].failpoint == "" {
			continue
		}
		p.SendFlushRequest()
		if err := p.Flush(); err != nil {
			return errors.Join(err, p.Close())
		}
		failpoint(calls[i].failpoint)
	}
	if err := p.Sync(); err != nil {
		return err
	}
	for i := range calls {
		if err := receive(p, &calls[i]); err != nil {
			_ = p.Close() // repeats the error
			return err
		}
	}
	return p.Close()
}

func receive(p *pgconn.Pipeline, c *call) error {
	answer, err := p.GetResults()
	if err != nil {
		return err
	}
	rows, ok := answer.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("statement %d: answered with %T", c.stmt, answer)
	}
	for rows.NextRow() {
		if c.read == nil {
			continue
		}
		if err := c.read(rows.Values()); err != nil {
			_, _ = rows.Close()
			return err
		}
	}
	_, err = rows.Close()
	return err
}

var binaryFormat = []int16{1}
