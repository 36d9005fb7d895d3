package store

import (
	"context"
	"encoding/json"
	"time"

	"lodge/inventory"
)

type changeRow struct {
	ID          string `gorm:"primaryKey"`
	HostID      string
	Number      int64
	Revision    int64
	State       string
	Class       string
	Verb        string
	ContainerID string
	Name        string
	Project     string
	Environment string
	Plan        document[inventory.Plan]
	Request     *string
	Key         string
	Requester   document[inventory.Principal]
	Reason      string
	Ticket      string
	Needs       document[[]inventory.Condition]
	Missing     document[[]inventory.Condition]
	Approvals   document[[]approvalDocument]
	OperationID string
	Note        string
	ReleaseNs   *int64
	DeadlineID  string
	Review      document[*reviewDocument]
	ReviewNs    *int64 // when an open review is due
	CreatedNs   int64
	SubmittedNs *int64
	DecidedNs   *int64
}

func (changeRow) TableName() string { return "changes" }

type approvalDocument struct {
	Principal   inventory.Principal  `json:"principal"`
	Digest      string               `json:"digest"`
	AtNs        int64                `json:"at_ns"`
	ExpiresNs   int64                `json:"expires_ns,omitempty"`
	Note        string               `json:"note,omitempty"`
	WithdrawnNs int64                `json:"withdrawn_ns,omitempty"`
	Signature   *inventory.Signature `json:"signature,omitempty"`
}

func newApprovalDocument(a inventory.Approval) approvalDocument {
	return approvalDocument{Principal: a.Principal, Digest: a.Digest, AtNs: nanos(a.At), ExpiresNs: nanos(a.Expires),
		Note: a.Note, WithdrawnNs: nanos(a.Withdrawn), Signature: a.Signature}
}

func (d approvalDocument) approval() inventory.Approval {
	return inventory.Approval{Principal: d.Principal, Digest: d.Digest, At: instant(d.AtNs), Expires: instant(d.ExpiresNs),
		Note: d.Note, Withdrawn: instant(d.WithdrawnNs), Signature: d.Signature}
}

type reviewDocument struct {
	DueNs      int64  `json:"due_ns"`
	RemindedNs int64  `json:"reminded_ns,omitempty"`
	AtNs       int64  `json:"at_ns,omitempty"`
	By         string `json:"by,omitempty"`
	Note       string `json:"note,omitempty"`
}

func newReviewDocument(r inventory.Review) *reviewDocument {
	if r.Due.IsZero() {
		return nil
	}
	return &reviewDocument{nanos(r.Due), nanos(r.Reminded), nanos(r.At), r.By, r.Note}
}

func (d *reviewDocument) review() inventory.Review {
	if d == nil {
		return inventory.Review{}
	}
	return inventory.Review{Due: instant(d.DueNs), Reminded: instant(d.RemindedNs), At: instant(d.AtNs), By: d.By, Note: d.Note}
}

func newChangeRow(c inventory.Change) changeRow {
	var approvals []approvalDocument
	for _, a := range c.Approvals {
		approvals = append(approvals, newApprovalDocument(a))
	}
	row := changeRow{ID: string(c.ID), HostID: string(c.Plan.HostID), Number: c.Number, Revision: c.Revision,
		State: string(c.State), Class: string(c.Class), Verb: c.Plan.Verb, ContainerID: string(c.Plan.Container),
		Name: c.Name, Project: c.Project, Environment: string(c.Environment), Plan: doc(c.Plan),
		Request: rawOrNull(c.Request), Key: c.Key, Requester: doc(c.Requester), Reason: c.Reason, Ticket: c.Ticket,
		Needs: doc(c.Needs), Missing: doc(c.Missing), Approvals: doc(approvals), OperationID: string(c.Operation),
		Note: c.Note, ReleaseNs: nanosOrNull(c.Release), Review: doc(newReviewDocument(c.Review)),
		CreatedNs: nanos(c.CreatedAt), SubmittedNs: nanosOrNull(c.SubmittedAt), DecidedNs: nanosOrNull(c.DecidedAt)}
	if c.Review.IsOpen() {
		row.ReviewNs = nanosOrNull(c.Review.Due)
	}
	return row
}

func (r changeRow) change() inventory.Change {
	var approvals []inventory.Approval
	for _, a := range r.Approvals.V {
		approvals = append(approvals, a.approval())
	}
	return inventory.Change{ID: inventory.ChangeID(r.ID), Number: r.Number, Revision: r.Revision,
		State: inventory.ChangeState(r.State), Class: inventory.ChangeClass(r.Class), Plan: r.Plan.V, Name: r.Name,
		Project: r.Project, Environment: inventory.Environment(r.Environment), Request: rawFrom(r.Request), Key: r.Key,
		Requester: r.Requester.V, Reason: r.Reason, Ticket: r.Ticket, Needs: r.Needs.V, Missing: r.Missing.V,
		Approvals: approvals, Operation: inventory.OperationID(r.OperationID), Note: r.Note,
		Release: instantOrZero(r.ReleaseNs), Review: r.Review.V.review(), CreatedAt: instant(r.CreatedNs),
		SubmittedAt: instantOrZero(r.SubmittedNs), DecidedAt: instantOrZero(r.DecidedNs)}
}

// AddChange keeps a plan that waits for others, and returns it with its number.
func (s *Store) AddChange(ctx context.Context, c inventory.Change) (inventory.Change, error) {
	err := s.write(ctx, func(ctx context.Context, t *transaction) (err error) {
		c, err = t.addChange(ctx, c)
		return err
	})
	return c, err
}

func (t *transaction) addChange(ctx context.Context, c inventory.Change) (inventory.Change, error) {
	host, err := t.store.thisHost()
	if err != nil {
		return c, err
	}
	last, err := rowsOf[changeRow](t.db).Where("host_id = ?", string(host)).Order("number DESC").Limit(1).Find(ctx)
	if err != nil {
		return c, err
	}
	c.Number, c.Revision = 1, 1
	if len(last) > 0 {
		c.Number = last[0].Number + 1
	}
	row := newChangeRow(c)
	row.HostID = string(host)
	if err := t.scheduleChange(ctx, changeRow{}, &row, c); err != nil {
		return c, err
	}
	if err := rowsOf[changeRow](t.db).Create(ctx, &row); err != nil {
		return c, err
	}
	return c, t.addChangeEvent(ctx, row)
}

// UpdateChange replaces the row if it is still at c's revision, and returns c at the next: ErrStale
// otherwise, ErrNotFound if there is none, ErrState if its state can't become c's.
func (s *Store) UpdateChange(ctx context.Context, c inventory.Change) (inventory.Change, error) {
	err := s.write(ctx, func(ctx context.Context, t *transaction) (err error) {
		c, err = t.updateChange(ctx, c)
		return err
	})
	return c, err
}

func (t *transaction) updateChange(ctx context.Context, c inventory.Change) (inventory.Change, error) {
	rows, err := rowsOf[changeRow](t.db).Where("id = ?", string(c.ID)).Limit(1).Find(ctx)
	was, err := only(rows, err, "change", string(c.ID))
	if err != nil {
		return c, err
	}
	if was.Revision != c.Revision {
		return c, inventory.Errorf(inventory.ErrStale, "change %d is %s meanwhile; look again", was.Number, was.State)
	}
	if !inventory.ChangeState(was.State).CanBecome(c.State) {
		return c, inventory.Errorf(inventory.ErrState, "change %d is %s and can't become %s", was.Number, was.State, c.State)
	}
	c.Revision++
	row := newChangeRow(c)
	row.HostID, row.Number = was.HostID, was.Number
	if err := t.scheduleChange(ctx, was, &row, c); err != nil {
		return c, err
	}
	if _, err := rowsOf[changeRow](t.db).Where("id = ?", string(c.ID)).Select("*").Updates(ctx, row); err != nil {
		return c, err
	}
	return c, t.addChangeEvent(ctx, row)
}

// releaseVerb is what a scheduled change's deadline asks for.
const releaseVerb = "change.release"

// scheduleChange keeps one deadline for a change that is scheduled, and none for others.
func (t *transaction) scheduleChange(ctx context.Context, was changeRow, row *changeRow, c inventory.Change) error {
	scheduled := c.State == inventory.ChangeScheduled && row.ReleaseNs != nil
	if scheduled && was.DeadlineID != "" && *was.ReleaseNs == *row.ReleaseNs && was.State == row.State {
		row.DeadlineID = was.DeadlineID
		return nil
	}
	if was.DeadlineID != "" {
		_, err := rowsOf[deadlineRow](t.db).Where("id = ? AND done_ns IS NULL", was.DeadlineID).Set(ctx,
			set("done_ns", nanos(t.store.now())), set("outcome", "change "+c.Label()+" is "+row.State))
		if err != nil {
			return err
		}
	}
	if !scheduled {
		return nil
	}
	args, err := json.Marshal(inventory.ChangeArgs{Change: row.ID})
	if err != nil {
		return err
	}
	row.DeadlineID = inventory.NewID(t.store.now())
	return t.addDeadline(ctx, inventory.Deadline{ID: inventory.DeadlineID(row.DeadlineID), Due: c.Release, Verb: releaseVerb,
		Args: args, Principal: inventory.System("schedule"), Missed: inventory.MissedRun, Reason: "its time has come"})
}

// changeEvent is the data of change.state.
type changeEvent struct {
	ID        string `json:"id"`
	Number    int64  `json:"number"`
	State     string `json:"state"`
	Class     string `json:"class"`
	Verb      string `json:"verb"`
	Requester string `json:"requester"`
	Overdue   bool   `json:"review_overdue,omitempty"`
}

func (t *transaction) addChangeEvent(ctx context.Context, r changeRow) error {
	overdue := r.ReviewNs != nil && *r.ReviewNs < nanos(t.store.now())
	data, err := json.Marshal(changeEvent{r.ID, r.Number, r.State, r.Class, r.Verb, r.Requester.V.Name, overdue})
	if err != nil {
		return err
	}
	return t.addEvent(ctx, inventory.HostID(r.HostID), inventory.Event{Type: "change.state",
		Container: inventory.ContainerID(r.ContainerID), Name: r.Name, Project: r.Project,
		Operation: inventory.OperationID(r.OperationID), Data: data})
}

// runChange makes the change of an admission the running one of op. A change without a number begins
// to exist by that.
func (t *transaction) runChange(ctx context.Context, c *inventory.Change, op inventory.Operation) (err error) {
	if c == nil {
		return nil
	}
	c.State, c.Operation, c.Missing, c.Release = inventory.ChangeRunning, op.ID, nil, time.Time{}
	if c.SubmittedAt.IsZero() {
		c.SubmittedAt = op.StartedAt
	}
	if c.Number == 0 {
		*c, err = t.addChange(ctx, *c)
	} else {
		*c, err = t.updateChange(ctx, *c)
	}
	return err
}

// endChange makes the change that op belongs to what op came to.
func (t *transaction) endChange(ctx context.Context, op inventory.Operation, undone bool) error {
	if op.Change == "" {
		return nil
	}
	rows, err := rowsOf[changeRow](t.db).Where("id = ? AND state = ?", string(op.Change), string(inventory.ChangeRunning)).Find(ctx)
	if err != nil || len(rows) == 0 {
		return err
	}
	c := rows[0].change()
	c.State = inventory.ChangeDone
	if op.State != inventory.OperationDone {
		c.State, c.Note = inventory.ChangeFailed, op.Outcome()
		if undone {
			c.State = inventory.ChangeRolledBack
		}
	}
	_, err = t.updateChange(ctx, c)
	return err
}
