package store

import (
	"context"

	"lodge/inventory"
)

type unixUIDRow struct {
	UserID    string `gorm:"primaryKey"`
	UID       int    `gorm:"column:uid"`
	CreatedNs int64
}

func (unixUIDRow) TableName() string { return "unix_uids" }

type unixAccountRow struct {
	ContainerID string `gorm:"primaryKey"`
	UserID      string `gorm:"primaryKey"`
	Name        string
	State       string
	CreatedNs   int64
	ChangedNs   int64
}

func (unixAccountRow) TableName() string { return "unix_accounts" }

// UnixUID returns the uid of a user inside containers, and gives them one that nobody ever had the
// first time. ErrQuota when all are given.
func (s *Store) UnixUID(ctx context.Context, user inventory.UserID) (uid int, err error) {
	err = s.write(ctx, func(ctx context.Context, t *transaction) error {
		rows, err := rowsOf[unixUIDRow](t.db).Where("user_id = ?", string(user)).Limit(1).Find(ctx)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			uid = rows[0].UID
			return nil
		}
		uid, err = t.nextUnixUID(ctx)
		if err != nil {
			return err
		}
		return rowsOf[unixUIDRow](t.db).Create(ctx, &unixUIDRow{UserID: string(user), UID: uid, CreatedNs: nanos(s.now())})
	})
	return uid, err
}

func (t *transaction) nextUnixUID(ctx context.Context) (int, error) {
	last, err := rowsOf[unixUIDRow](t.db).Order("uid DESC").Limit(1).Find(ctx)
	if err != nil || len(last) == 0 {
		return inventory.FirstUnixUID, err
	}
	if last[0].UID >= inventory.LastUnixUID {
		return 0, inventory.Errorf(inventory.ErrQuota, "every uid of containers' accounts, %d to %d, has been given to a user",
			inventory.FirstUnixUID, inventory.LastUnixUID)
	}
	return last[0].UID + 1, nil
}

// UnixAccounts returns the accounts Lodge made in a container, or in all where it is "", of a user, or
// of all.
func (s *Store) UnixAccounts(ctx context.Context, c inventory.ContainerID, user inventory.UserID) ([]inventory.UnixAccount, error) {
	ctx, db, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf[unixAccountRow](db).Equal("container_id", string(c)).Equal("user_id", string(user)).
		Order("container_id, user_id").Find(ctx)
	if err != nil || len(rows) == 0 {
		return nil, explain(s.path, err)
	}
	given, err := rowsOf[unixUIDRow](db).Equal("user_id", string(user)).Find(ctx)
	uids := map[string]int{}
	for _, g := range given {
		uids[g.UserID] = g.UID
	}
	return nouns(s.path, rows, err, func(r unixAccountRow) inventory.UnixAccount {
		return inventory.UnixAccount{Container: inventory.ContainerID(r.ContainerID), User: inventory.UserID(r.UserID), Name: r.Name,
			UID: uids[r.UserID], State: inventory.UnixAccountState(r.State), CreatedAt: instant(r.CreatedNs), ChangedAt: instant(r.ChangedNs)}
	})
}

// SaveUnixAccount writes the row of an account, new or replaced as a whole, with the event
// "account.updated". The user has a uid by then.
func (s *Store) SaveUnixAccount(ctx context.Context, a inventory.UnixAccount) error {
	return s.write(ctx, func(ctx context.Context, t *transaction) error {
		of, err := rowsOf[containerRow](t.db).Where("id = ?", string(a.Container)).Limit(1).Find(ctx)
		if err != nil {
			return err
		}
		if len(of) == 0 {
			return inventory.Errorf(inventory.ErrNotFound, "there is no container %s", a.Container)
		}
		err = rowsOf[unixAccountRow](t.db, replace("container_id", "user_id")).Create(ctx, &unixAccountRow{ContainerID: string(a.Container),
			UserID: string(a.User), Name: a.Name, State: string(a.State), CreatedNs: nanos(a.CreatedAt), ChangedNs: nanos(a.ChangedAt)})
		if err != nil {
			return err
		}
		return t.addEvent(ctx, inventory.HostID(of[0].HostID), inventory.Event{Type: "account.updated",
			Container: a.Container, Name: of[0].Name, Project: of[0].Project})
	})
}
