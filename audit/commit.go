package audit

import (
	"time"

	"lodge/inventory"
)

// run is the commit loop, the only writer. While one batch is on its way to the disk others queue
// up, and all of them become the next batch: that is the whole of group commit. Nobody waits for
// company, so a record alone costs one fdatasync.
func (j *Journal) run(w *writer) {
	defer close(j.done)
	defer w.close()
	idle := time.NewTimer(headDelay)
	defer idle.Stop()
	for {
		select {
		case <-j.wake:
		case <-idle.C:
			w.syncHead()
		}
		for {
			batch, closed := j.take()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			j.commit(w, batch)
			if !time.Now().Before(w.headDue) {
				w.syncHead()
			}
		}
		if w.headDirty {
			idle.Reset(time.Until(w.headDue))
		}
	}
}

// take removes the next batch from the queue.
func (j *Journal) take() (batch []*request, closed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, bytes := 0, 0
	for n < len(j.queue) && (n == 0 || bytes+len(j.queue[n].record) <= maxBatch) {
		bytes += len(j.queue[n].record)
		n++
	}
	batch, j.queue = j.queue[:n:n], j.queue[n:]
	return batch, j.closed
}

// commit makes a batch durable and tells everybody. Readers and followers see the records before
// their writers are told, so that who was told finds them.
func (j *Journal) commit(w *writer, batch []*request) {
	sealed, err := w.commit(batch)
	if err != nil {
		j.log.Error("the audit journal refuses records", "error", err, "records", len(batch))
		err = inventory.Errorf(inventory.ErrUnavailable,
			"the audit journal can't be written: %w; nothing is done without a record", err)
	}
	j.mu.Lock()
	if sealed != nil {
		j.index[len(j.index)-1] = *sealed
		j.index = append(j.index, w.segment)
	}
	if err == nil {
		j.index[len(j.index)-1] = w.segment
		j.head = w.last
		close(j.grown)
		j.grown = make(chan struct{})
	}
	j.mu.Unlock()
	for _, q := range batch {
		q.done <- err
	}
}
