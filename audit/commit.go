package audit

import (
	"encoding/json"
	"time"

	"lodge/inventory"
)

// run is the commit loop, the only writer. While one batch is on its way to the disk others queue
// up, and all of them become the next batch: that is the whole of group commit. Nobody waits for
// company, so a record alone costs one fdatasync; but see gather.
func (j *Journal) run(w *writer, heartbeat time.Duration) {
	defer close(j.done)
	defer w.close()
	idle := time.NewTimer(headDelay)
	defer idle.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	answered := 0
	for {
		select {
		case <-j.wake:
		case <-idle.C:
			w.syncHead()
		case <-beat.C:
			if age := w.now().Sub(w.last.At); age >= heartbeat/2 || age < 0 { // or the clock went back
				j.settle(w.commit(nil))
				j.publish(w)
			}
			w.reserve.hold(w.disk)
		}
		for {
			j.gather(answered, w.due)
			batch, closed := j.take()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			answered = len(batch)
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

// gather waits for those who were answered together just now, until half of their write's time has gone
// by: callers that ask again at once would else be on their way to the queue when the first of them
// begins the next write, and every other write would be for one.
func (j *Journal) gather(answered int, until time.Time) {
	left := time.Until(until)
	if answered < 2 || left <= 0 {
		return
	}
	late := time.NewTimer(left)
	defer late.Stop()
	for j.waiting() < answered {
		select {
		case <-j.wake:
		case <-late.C:
			return
		}
	}
}

func (j *Journal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.queue)
}

// take removes the next batch from the queue. A change of key is one by itself.
func (j *Journal) take() (batch []*request, closed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, bytes := 0, 0
	for n < len(j.queue) && (n == 0 || bytes+len(j.queue[n].record) <= maxBatch) {
		if j.queue[n].key != nil && n > 0 {
			break
		}
		bytes += len(j.queue[n].record)
		if n++; j.queue[n-1].key != nil {
			break
		}
	}
	batch, j.queue = j.queue[:n:n], j.queue[n:]
	return batch, j.closed
}

// commit makes a batch durable and tells everybody. On a full disk only what frees space gets in.
func (j *Journal) commit(w *writer, batch []*request) {
	if key := batch[0].key; key != nil {
		left, err := w.changeKey(batch[0], key)
		if err == nil {
			j.settle(left, nil)
			left, err = nil, j.settle(w.commit(nil))
		}
		j.answer(w, batch, j.settle(left, err))
		return
	}
	if !w.reserve.hold(w.disk) {
		var others []*request
		batch, others = divide(batch)
		j.answer(w, others, errFull())
	}
	if len(batch) == 0 {
		return
	}
	err := j.settle(w.commit(batch))
	if freeing, others := divide(batch); isFull(err) && len(freeing) > 0 && w.reserve.release(w.disk) {
		j.log.Warn("the disk of the audit journal is full; its reserve is given up for what frees space")
		j.answer(w, others, err)
		batch, err = freeing, j.settle(w.commit(freeing))
	}
	j.answer(w, batch, err)
}

// settle notes a segment that was left, and passes the error on.
func (j *Journal) settle(left *segment, err error) error {
	if left != nil {
		j.mu.Lock()
		j.index[len(j.index)-1] = *left
		j.index = append(j.index, segment{first: left.last + 1, last: left.last})
		j.mu.Unlock()
	}
	return err
}

// answer tells who asked. Readers and followers see the records before their writers are told, so
// that who was told finds them.
func (j *Journal) answer(w *writer, batch []*request, err error) {
	if len(batch) == 0 {
		return
	}
	j.publish(w)
	if err != nil {
		j.log.Error("the audit journal refuses records", "error", err, "records", len(batch))
		err = inventory.Errorf(inventory.ErrUnavailable,
			"the audit journal can't be written: %w; nothing is done without a record", err)
	}
	for _, q := range batch {
		q.done <- err
	}
}

// publish shows what is acknowledged.
func (j *Journal) publish(w *writer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.index[len(j.index)-1] = w.segment
	if j.last.Size == w.last.Size && j.last.Segment == w.last.Segment && j.last.Offset == w.last.Offset {
		return
	}
	j.last, j.key = w.last, w.key
	close(j.grown)
	j.grown = make(chan struct{})
}

// VerbNextKey is the verb of the fact that names the next key.
const VerbNextKey = "audit.next-key"

func rotation(at time.Time, by inventory.Principal, link KeyLink) inventory.Record {
	detail, _ := json.Marshal(link)
	return inventory.Record{At: at, Kind: inventory.RecordFact, Verb: VerbNextKey, Principal: by,
		Subject: "audit", Result: "the next key is " + link.Key, Detail: detail}
}
