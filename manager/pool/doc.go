// Package pool keeps the pools of this host: which there are, which of them work now, and which is
// the default one. It has the verbs that make, remove and check pools.
//
// A pool whose disk is lost doesn't take the agent with it: its containers are shown in error with
// the reason, whatever is asked of it is ErrUnavailable with that reason, and it is tried again every
// few seconds, so that it works again once its disk is back.
//
// An image is in each pool that has used it. It comes into the default pool, and Create in another
// pool fetches it from one that has it.
package pool
