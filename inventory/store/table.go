package store

import (
	"context"
	"database/sql"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// A table asks for, or changes, the rows of one type: gorm's chain of conditions with the row's type
// kept. gorm has the same as gorm.G, whose interfaces make several hundred methods of each type of
// row; with 22 types those took longer to compile than the rest of the agent.
//
// A condition may change the table it is added to, as in gorm: go on with what Where, Order and the
// others return, and run it once.
type table[T any] struct{ db *gorm.DB }

// rowsOf begins a query; options such as replace count for what is created.
func rowsOf[T any](db *gorm.DB, options ...clause.Expression) table[T] {
	if len(options) > 0 {
		db = db.Clauses(options...)
	}
	return table[T]{db}
}

func (t table[T]) Where(query any, args ...any) table[T] { return table[T]{t.db.Where(query, args...)} }

func (t table[T]) Order(by string) table[T] { return table[T]{t.db.Order(by)} }

// Equal asks for the rows with that value in a column; for all when it is "".
func (t table[T]) Equal(column, value string) table[T] {
	if value == "" {
		return t
	}
	return t.Where(column+" = ?", value)
}

// Limit asks for so many rows at most; for all when it is 0.
func (t table[T]) Limit(rows int) table[T] {
	if rows == 0 {
		return t
	}
	return table[T]{t.db.Limit(rows)}
}

// Select names what is read, with its arguments, or, before Updates, what is written.
func (t table[T]) Select(columns string, args ...any) table[T] {
	return table[T]{t.db.Select(columns, args...)}
}

// Find returns no rows and no error when none match.
func (t table[T]) Find(ctx context.Context) (rows []T, err error) {
	err = t.db.WithContext(ctx).Find(&rows).Error
	return rows, err
}

// Row returns the first row of what was selected; nil if the query can't be made.
func (t table[T]) Row(ctx context.Context) *sql.Row {
	return t.db.WithContext(ctx).Model(new(T)).Row()
}

func (t table[T]) Count(ctx context.Context, column string) (n int64, err error) {
	err = t.db.WithContext(ctx).Model(new(T)).Select(column).Count(&n).Error
	return n, err
}

func (t table[T]) Create(ctx context.Context, row *T) error {
	return t.db.WithContext(ctx).Create(row).Error
}

// Update sets one column of all rows that match and returns how many did.
func (t table[T]) Update(ctx context.Context, column string, value any) (int, error) {
	return affected(t.db.WithContext(ctx).Model(new(T)).Update(column, value))
}

// Updates writes the selected columns of row to all rows that match.
func (t table[T]) Updates(ctx context.Context, row T) (int, error) {
	return affected(t.db.WithContext(ctx).Updates(row))
}

// Set is Update of several columns at once.
func (t table[T]) Set(ctx context.Context, values ...clause.Assignment) (int, error) {
	return affected(t.db.WithContext(ctx).Model(new(T)).Clauses(clause.Set(values)).Updates(map[string]any{}))
}

func (t table[T]) Delete(ctx context.Context) (int, error) {
	return affected(t.db.WithContext(ctx).Delete(new(T)))
}

func affected(db *gorm.DB) (int, error) { return int(db.RowsAffected), db.Error }
