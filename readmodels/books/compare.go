package books

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"payledger/domain/books"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels/compare"
)

// ReadStreams returns all events of streams, in order of position.
type ReadStreams func(ctx context.Context, ids []eventstore.StreamID) ([]catalog.Event, error)

// Querier is what a query can be run on: a transaction, a connection or a pool.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// The objects of places in the books. A turnover is what the entries of a day come to: no stream tells of it.
const (
	objectEntry    = "entry"    // id: the position
	objectOrigin   = "origin"   // id: the key
	objectProfile  = "profile"  // id: the position
	objectTurnover = "turnover" // id: day/currency/debit/credit/type of fee
)

var turnoverColumns = []string{"tenant", "day", "currency", "debit", "credit", "fee_type", "amount", "postings"}

// compared is a table as comparisons see it.
type compared struct {
	object  string
	columns []string
	remove  string
	byPlace string // statement: the rows of places, with the stream that tells of each
	page    string // the like, after a place
}

// Whoever tells of a row is named by the event at its position; of an origin by its key.
var comparedTables = []compared{
	{objectEntry, journalColumns, `DELETE FROM books_v1.journal WHERE (tenant, position::text) IN (SELECT * FROM unnest($1::text[], $2::text[]))`, sqlStoredEntries, sqlEntryPage},
	{objectOrigin, originColumns, `DELETE FROM books_v1.origins WHERE (tenant, key) IN (SELECT * FROM unnest($1::text[], $2::text[]))`, sqlStoredOrigins, sqlOriginPage},
	{objectProfile, profileColumns, `DELETE FROM books_v1.profiles WHERE (tenant, position::text) IN (SELECT * FROM unnest($1::text[], $2::text[]))`, sqlStoredProfiles, sqlProfilePage},
}

const (
	columnsOfEntry = `j.tenant, j.position, j.effective_at, j.debit, j.credit, j.fee_type, j.amount, j.currency, j.user_id, j.fee_id, j.payment_id, j.credit_id`

	sqlStoredEntries = `SELECT ` + columnsOfEntry + `, coalesce(e.stream, '') FROM unnest($1::text[], $2::text[]) AS k (tenant, id)
JOIN books_v1.journal j ON j.tenant = k.tenant AND j.position = k.id::bigint LEFT JOIN ledger.events e ON e.position = j.position`
	sqlEntryPage = `SELECT ` + columnsOfEntry + `, coalesce(e.stream, '') FROM books_v1.journal j LEFT JOIN ledger.events e ON e.position = j.position
WHERE (j.tenant, j.position) > ($1, coalesce(nullif($2, ''), '0')::bigint) ORDER BY j.tenant, j.position LIMIT $3`

	sqlStoredOrigins = `SELECT o.tenant, o.key, o.user_id, o.word, split_part(o.key, '/', 1) FROM unnest($1::text[], $2::text[]) AS k (tenant, id)
JOIN books_v1.origins o ON o.tenant = k.tenant AND o.key = k.id`
	sqlOriginPage = `SELECT tenant, key, user_id, word, split_part(key, '/', 1) FROM books_v1.origins WHERE (tenant, key) > ($1, $2) ORDER BY tenant, key LIMIT $3`

	sqlStoredProfiles = `SELECT p.tenant, p.position, p.profile, coalesce(e.stream, '') FROM unnest($1::text[], $2::text[]) AS k (tenant, id)
JOIN books_v1.profiles p ON p.tenant = k.tenant AND p.position = k.id::bigint LEFT JOIN ledger.events e ON e.position = p.position`
	sqlProfilePage = `SELECT p.tenant, p.position, p.profile, coalesce(e.stream, '') FROM books_v1.profiles p LEFT JOIN ledger.events e ON e.position = p.position
WHERE (p.tenant, p.position) > ($1, coalesce(nullif($2, ''), '0')::bigint) ORDER BY p.tenant, p.position LIMIT $3`
)

// Expected returns the entries, origins and profiles that whole streams come to at a position.
func Expected(ctx context.Context, read ReadStreams, streams []eventstore.StreamID, at int64) (map[compare.Place]compare.Row, error) {
	events, err := read(ctx, streams)
	if err != nil {
		return nil, err
	}
	origins, err := originsFor(ctx, read, streams, events)
	if err != nil {
		return nil, err
	}
	rows := make(map[compare.Place]compare.Row)
	for i := range events {
		ev := &events[i]
		if ev.Position > at {
			continue
		}
		put := func(object, id string, columns []string, values []any) {
			rows[compare.Place{Tenant: ev.Stream.Tenant, Object: object, ID: id}] = compare.Row{Stream: ev.Stream, Columns: columns, Values: values}
		}
		position := strconv.FormatInt(ev.Position, 10)
		if e, ok := ev.Data.(policy.ProfileSet); ok {
			put(objectProfile, position, profileColumns, profileValues(&ProfileSet{ev.Stream.Tenant, ev.Position, e.Profile}))
		}
		if key, o, begins := books.Begins(ev.Stream.Name, ev.Data); begins {
			put(objectOrigin, key, originColumns, originValues(&Origin{ev.Stream.Tenant, key, o}))
		}
		posting, posts, err := books.Post(ev.Stream.Name, ev.Data, func(key string) (books.Origin, bool) {
			o, found := origins[Origin{Tenant: ev.Stream.Tenant, Key: key}]
			return o, found
		})
		if err != nil {
			return nil, fmt.Errorf("post event %s: %w", ev.ID, err)
		}
		if posts {
			put(objectEntry, position, journalColumns, entryValues(&Entry{ev.Stream.Tenant, ev.Position, ev.EffectiveAt, posting}))
		}
	}
	return rows, nil
}

// originsFor finds what events need of earlier ones, in their own streams or in others.
func originsFor(ctx context.Context, read ReadStreams, streams []eventstore.StreamID, events []catalog.Event) (map[Origin]books.Origin, error) {
	origins := make(map[Origin]books.Origin)
	begin := func(events []catalog.Event) {
		for i := range events {
			if key, o, begins := books.Begins(events[i].Stream.Name, events[i].Data); begins {
				origins[Origin{Tenant: events[i].Stream.Tenant, Key: key}] = o
			}
		}
	}
	begin(events)
	others := make(map[eventstore.StreamID]bool)
	for i := range events {
		for _, key := range books.Needs(events[i].Stream.Name, events[i].Data) {
			name, _, _ := strings.Cut(key, "/")
			if id := (eventstore.StreamID{Tenant: events[i].Stream.Tenant, Name: name}); !slices.Contains(streams, id) {
				others[id] = true
			}
		}
	}
	if len(others) == 0 {
		return origins, nil
	}
	more, err := read(ctx, slices.Collect(maps.Keys(others)))
	begin(more)
	return origins, err
}

// Stored returns those of the rows that stand in the books.
func Stored(ctx context.Context, db Querier, places []compare.Place) (map[compare.Place]compare.Row, error) {
	rows := make(map[compare.Place]compare.Row, len(places))
	for _, c := range comparedTables {
		tenants, ids := keysOf(c.object, places)
		if len(ids) == 0 {
			continue
		}
		if err := c.collect(ctx, db, rows, c.byPlace, tenants, ids); err != nil {
			return nil, err
		}
	}
	return rows, turnoversOf(ctx, db, rows, places, sqlTurnoversOfDay)
}

func keysOf(object string, places []compare.Place) (tenants, ids []string) {
	for _, p := range places {
		if p.Object == object {
			tenants, ids = append(tenants, p.Tenant), append(ids, p.ID)
		}
	}
	return tenants, ids
}

// collect adds what a statement finds; its last column names the stream.
func (c compared) collect(ctx context.Context, db Querier, rows map[compare.Place]compare.Row, sql string, args ...any) error {
	found, err := db.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("read the books: %w", err)
	}
	defer found.Close()
	for found.Next() {
		values, err := found.Values()
		if err != nil {
			return fmt.Errorf("read the books: %w", err)
		}
		last := len(values) - 1
		r := compare.Row{Columns: c.columns, Values: values[:last]}
		r.Stream.Tenant, _ = values[0].(string)
		r.Stream.Name, _ = values[last].(string)
		rows[compare.Place{Tenant: r.Stream.Tenant, Object: c.object, ID: fmt.Sprint(values[1])}] = r
	}
	return found.Err()
}

// StoredPage returns the rows after a place, some at a time, table by table, with the last of them; none at the end. Of turnovers it returns
// all of the next day, also those that are missing.
func StoredPage(ctx context.Context, db Querier, after compare.Place, limit int) (map[compare.Place]compare.Row, compare.Place, error) {
	rows := make(map[compare.Place]compare.Row)
	if after.Object != objectTurnover {
		from := max(0, slices.IndexFunc(comparedTables, func(c compared) bool { return c.object == after.Object }))
		for _, c := range comparedTables[from:] {
			if c.object != after.Object {
				after = compare.Place{Object: c.object}
			}
			if err := c.collect(ctx, db, rows, c.page, after.Tenant, after.ID, limit); err != nil {
				return nil, after, err
			}
			if len(rows) > 0 {
				return rows, last(rows), nil
			}
		}
		after = compare.Place{Object: objectTurnover}
	}
	return nextTurnovers(ctx, db, after)
}

// last returns the place that comes last in the order of pages.
func last(rows map[compare.Place]compare.Row) compare.Place {
	return slices.MaxFunc(compare.Places(rows), func(a, b compare.Place) int {
		if a.Tenant != b.Tenant || a.Object == objectOrigin {
			return strings.Compare(a.Tenant+"\x00"+a.ID, b.Tenant+"\x00"+b.ID)
		}
		x, _ := strconv.ParseInt(a.ID, 10, 64) // as it was read from a number
		y, _ := strconv.ParseInt(b.ID, 10, 64)
		return int(x - y)
	})
}

const sqlNextDay = `
SELECT tenant, day FROM (
    (SELECT tenant, day FROM books_v1.turnovers WHERE (tenant, day) > ($1, $2::date) ORDER BY tenant, day LIMIT 1)
    UNION ALL
    (SELECT tenant, (effective_at AT TIME ZONE 'UTC')::date FROM books_v1.journal
     WHERE (tenant, effective_at) >= ($1, ($2::date + 1)::timestamp AT TIME ZONE 'UTC') ORDER BY tenant, effective_at LIMIT 1)
) AS next (tenant, day) ORDER BY tenant, day LIMIT 1`

// beforeAllDays is earlier than any that the edge accepts.
const beforeAllDays = "0001-01-01"

func nextTurnovers(ctx context.Context, db Querier, after compare.Place) (map[compare.Place]compare.Row, compare.Place, error) {
	day := after.ID
	if day == "" {
		day = beforeAllDays
	}
	found, err := db.Query(ctx, sqlNextDay, after.Tenant, day)
	if err != nil {
		return nil, after, fmt.Errorf("read the days of the books: %w", err)
	}
	type tenantDay struct {
		Tenant string
		Day    time.Time
	}
	next, err := pgx.CollectRows(found, pgx.RowToStructByPos[tenantDay])
	if err != nil || len(next) == 0 {
		return nil, after, err
	}
	at := compare.Place{Tenant: next[0].Tenant, Object: objectTurnover, ID: next[0].Day.Format(time.DateOnly)}
	rows := make(map[compare.Place]compare.Row)
	for _, sql := range []string{sqlTurnoversOfDay, sqlEntriesOfDay} {
		if err := turnoversOf(ctx, db, rows, []compare.Place{at}, sql); err != nil {
			return nil, after, err
		}
	}
	return rows, at, nil
}

// The days of the places: of each all turnovers, as they stand and as the entries come to them.
const (
	sqlTurnoversOfDay = `SELECT t.tenant, t.day::text, t.currency, t.debit, t.credit, t.fee_type, t.amount::text, t.postings
FROM unnest($1::text[], $2::text[]) AS k (tenant, day) JOIN books_v1.turnovers t ON t.tenant = k.tenant AND t.day = k.day::date`

	sqlEntriesOfDay = `SELECT j.tenant, k.day, j.currency, j.debit, j.credit, j.fee_type, sum(j.amount)::text, count(*)
FROM unnest($1::text[], $2::text[]) AS k (tenant, day) JOIN books_v1.journal j ON j.tenant = k.tenant
    AND j.effective_at >= k.day::timestamp AT TIME ZONE 'UTC' AND j.effective_at < (k.day::date + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY 1, 2, 3, 4, 5, 6`
)

// Turnovers returns what those of the places that are turnovers come to by the entries.
func Turnovers(ctx context.Context, db Querier, places []compare.Place) (map[compare.Place]compare.Row, error) {
	rows := make(map[compare.Place]compare.Row)
	return rows, turnoversOf(ctx, db, rows, places, sqlEntriesOfDay)
}

// turnoversOf adds turnovers: those of the places, or, for a place that is a whole day, all of that day.
func turnoversOf(ctx context.Context, db Querier, rows map[compare.Place]compare.Row, places []compare.Place, sql string) error {
	wanted := make(map[compare.Place]bool)
	days := make(map[compare.Place]bool)
	for _, p := range places {
		if p.Object == objectTurnover {
			day, _, _ := strings.Cut(p.ID, "/")
			wanted[p] = true
			days[compare.Place{Tenant: p.Tenant, Object: objectTurnover, ID: day}] = true
		}
	}
	if len(days) == 0 {
		return nil
	}
	tenants, ids := keysOf(objectTurnover, slices.Collect(maps.Keys(days)))
	found, err := db.Query(ctx, sql, tenants, ids)
	if err != nil {
		return fmt.Errorf("read turnovers: %w", err)
	}
	defer found.Close()
	for found.Next() {
		v, err := found.Values()
		if err != nil {
			return fmt.Errorf("read turnovers: %w", err)
		}
		tenant, _ := v[0].(string)
		p := compare.Place{Tenant: tenant, Object: objectTurnover, ID: fmt.Sprintf("%v/%v/%v/%v/%v", v[1], v[2], v[3], v[4], v[5])}
		if day := (compare.Place{Tenant: tenant, Object: objectTurnover, ID: fmt.Sprint(v[1])}); wanted[p] || wanted[day] {
			rows[p] = compare.Row{Stream: eventstore.StreamID{Tenant: tenant}, Columns: turnoverColumns, Values: v}
		}
	}
	return found.Err()
}

const sqlRemoveTurnovers = `
DELETE FROM books_v1.turnovers WHERE (tenant, concat_ws('/', day::text, currency, debit::text, credit::text, fee_type)) IN (SELECT * FROM unnest($1::text[], $2::text[]))`

// Replace puts rows in the place of what stands at places, and makes anew the turnovers that they are part of. The caller holds the
// checkpoint's row, and has made sure that no projector remembers what it replaces.
func Replace(ctx context.Context, tx pgx.Tx, places []compare.Place, rows map[compare.Place]compare.Row) error {
	stood, err := Stored(ctx, tx, places)
	if err != nil {
		return err
	}
	turnovers := slices.DeleteFunc(slices.Clone(places), func(p compare.Place) bool { return p.Object != objectTurnover })
	for _, c := range comparedTables {
		tenants, ids := keysOf(c.object, places)
		if len(ids) == 0 {
			continue
		}
		if _, err := tx.Exec(ctx, c.remove, tenants, ids); err != nil {
			return fmt.Errorf("take rows out of the books: %w", err)
		}
		var values [][]any
		for _, p := range places {
			if row, ok := rows[p]; ok && p.Object == c.object {
				values = append(values, row.Values)
				turnovers = append(turnovers, turnoverPlaces(p, row)...)
			}
			if row, ok := stood[p]; ok {
				turnovers = append(turnovers, turnoverPlaces(p, row)...)
			}
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"books_v1", tableOf(c.object)}, c.columns, pgx.CopyFromRows(values)); err != nil {
			return fmt.Errorf("put rows into the books: %w", err)
		}
	}
	return replaceTurnovers(ctx, tx, turnovers)
}

func tableOf(object string) string {
	return map[string]string{objectEntry: "journal", objectOrigin: "origins", objectProfile: "profiles"}[object]
}

// turnoverPlaces returns the place of the turnover that an entry is part of.
func turnoverPlaces(p compare.Place, row compare.Row) []compare.Place {
	at, ok := row.Value("effective_at").(time.Time)
	if p.Object != objectEntry || !ok {
		return nil
	}
	id := fmt.Sprintf("%s/%v/%v/%v/%v", at.UTC().Format(time.DateOnly), row.Value("currency"), row.Value("debit"), row.Value("credit"), row.Value("fee_type"))
	return []compare.Place{{Tenant: p.Tenant, Object: objectTurnover, ID: id}}
}

const sqlInsertTurnover = `
INSERT INTO books_v1.turnovers (tenant, day, currency, debit, credit, fee_type, amount, postings)
VALUES ($1, $2::text::date, $3, $4, $5, $6, $7::text::numeric, $8)`

func replaceTurnovers(ctx context.Context, tx pgx.Tx, places []compare.Place) error {
	tenants, ids := keysOf(objectTurnover, places)
	if len(ids) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, sqlRemoveTurnovers, tenants, ids); err != nil {
		return fmt.Errorf("take turnovers out of the books: %w", err)
	}
	rows, err := Turnovers(ctx, tx, places)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if _, err := tx.Exec(ctx, sqlInsertTurnover, row.Values...); err != nil {
			return fmt.Errorf("put turnovers into the books: %w", err)
		}
	}
	return nil
}
