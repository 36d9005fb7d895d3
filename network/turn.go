package network

import "context"

// turn is a lock that can be waited for with a time limit: starting or replacing the role takes
// seconds when something is wrong with it, and a container's start must not wait for that.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) lock() { t <- struct{}{} }

func (t turn) unlock() { <-t }

// lockWithin gives up when ctx ends.
func (t turn) lockWithin(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
