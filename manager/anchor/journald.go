package anchor

import (
	"context"
	"strconv"
)

// toJournald hands records to journald, which acknowledges nothing: what its socket took counts as
// arrived. Its rate limit (RateLimitBurst=) may drop records of a busy host; their numbers show it.
type toJournald struct {
	journal Journal
	out     Journald
}

// Message ids of journald (systemd.journal-fields(7)): journalctl MESSAGE_ID=... finds them.
const (
	recordMessageID     = "5b6e0a7f3d0c4f0f9a51c8e2d7b4a610"
	checkpointMessageID = "8c1f4d2be96a4b7db3f7a0c5e1d29f38"
)

func (t *toJournald) forward(ctx context.Context, after int64) (first, last int64, err error) {
	records, err := t.journal.Records(ctx, after, batch)
	if err != nil || len(records) == 0 {
		return after, after, err
	}
	for i := range records {
		r := &records[i]
		err := t.out.Send(string(r.Payload), severity(&r.Record), map[string]string{
			"MESSAGE_ID": recordMessageID, "SYSLOG_IDENTIFIER": "lodged-audit", "SYSLOG_FACILITY": strconv.Itoa(facility),
			"LODGE_ORIGIN": t.journal.Origin(), "LODGE_SEQ": strconv.FormatInt(r.Seq, 10), "LODGE_HASH": r.Hash,
			"LODGE_VERB": r.Verb, "LODGE_KIND": string(r.Kind), "LODGE_OUTCOME": string(r.Outcome)})
		if err != nil {
			return after, after, err
		}
	}
	return records[0].Seq, records[len(records)-1].Seq, ctx.Err()
}

func (t *toJournald) anchor(_ context.Context, c Checkpoint) error {
	return t.out.Send(string(checkpointText(c)), severityInfo, map[string]string{
		"MESSAGE_ID": checkpointMessageID, "SYSLOG_IDENTIFIER": "lodged-audit", "SYSLOG_FACILITY": strconv.Itoa(facility),
		"LODGE_ORIGIN": t.journal.Origin(), "LODGE_SIZE": strconv.FormatInt(c.Size, 10)})
}

func (t *toJournald) close() {}
