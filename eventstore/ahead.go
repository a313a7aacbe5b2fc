package eventstore

import "context"

// ahead runs the round trip that ends a batch's transaction, and meanwhile makes the next batch ready: it takes what comes in and settles
// it on where this one leaves the log. When this one is written, the next has only to be sent. Nothing of it leaves before; if this one
// isn't written as it stands, it is settled anew.
func (w *writer) ahead(ctx context.Context, leaves footprint, exchange func() error) error {
	next := w.next
	if leaves.alone < w.store.config.AloneAfter || len(next.reqs) > 0 {
		return exchange()
	}
	answer := make(chan error, 1)
	go func() { answer <- exchange() }()
	queue := w.store.queue
	for {
		select {
		case err := <-answer:
			return err
		case r, ok := <-queue:
			if ok {
				if len(next.reqs) == 0 {
					next.begin(w.conn, leaves, w.batch)
				}
				next.take(ctx, r)
			}
			if !ok || next.full() || !next.prepared {
				queue = nil // what else comes waits until this batch is written
			}
		}
	}
}

// review gives up what was prepared unless it can be sent: the batch before is written as it was assumed, through the same connection, and
// that didn't take so long that the time of the events would be wrong.
func (b *batch) review(c *conn) {
	b.prepared = b.prepared && len(b.reqs) > 0 && b.conn == c && b.basis == c.left && c.clock.fresh()
}
