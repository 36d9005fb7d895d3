package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/web/client"
)

// TestHundredKills kills the agent at any moment while several callers do whatever comes to their
// minds to a handful of containers, and looks each time whether the database, the pool, the folders,
// the kernel and the audit journal tell the same story.
func TestHundredKills(t *testing.T) {
	kills := 4
	if os.Getenv("LODGE_LONG") == "1" {
		kills = 100
	}
	l := newLab(t)
	random := rand.New(rand.NewPCG(1, uint64(kills)))
	for n := range kills {
		stop := make(chan struct{})
		var callers sync.WaitGroup
		for range 4 {
			seed := random.Uint64()
			callers.Go(func() { l.fumble(rand.New(rand.NewPCG(seed, 0)), stop) })
		}
		time.Sleep(time.Duration(100+random.IntN(1500)) * time.Millisecond)
		how := syscall.SIGKILL
		if random.IntN(8) == 0 {
			how = syscall.SIGTERM
		}
		l.signal(how)
		close(stop)
		callers.Wait()
		l.start()
		l.settle()
		l.await(fmt.Sprintf("after kill %d what runs is what is meant to run", n), l.asMeant)
		if l.checkClean(); t.Failed() {
			t.Fatalf("kill %d", n)
		}
	}
}

// asMeant reports whether what died with the agent away has been started again or written down.
func (l *lab) asMeant() bool {
	for _, c := range l.containers() {
		if c.State.IsLive() != (c.Intent == inventory.IntentRun) {
			return false
		}
	}
	return true
}

// fumble asks for one thing after another, whether it makes sense or not.
func (l *lab) fumble(random *rand.Rand, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		l.something(ctx, random)
		cancel()
	}
}

func (l *lab) something(ctx context.Context, random *rand.Rand) {
	pick := func() string { return fmt.Sprintf("lt-kill%d", random.IntN(5)) }
	name, snapshot, o := pick(), fmt.Sprint("s", random.IntN(2)), client.Options{Wait: 5 * time.Second}
	quick := inventory.StopArgs{Timeout: "2s", Kill: true}
	asked := []func(){
		func() { l.api.Create(ctx, tiny(name), true, o) },
		func() { l.api.Create(ctx, tiny(name), false, o) },
		func() { l.api.Start(ctx, at(name), o) },
		func() { l.api.Start(ctx, at(name), o) },
		func() { l.api.Stop(ctx, at(name), quick, o) },
		func() { l.api.Kill(ctx, at(name), o) },
		func() { l.api.Restart(ctx, at(name), quick, o) },
		func() { l.api.Freeze(ctx, at(name), o) },
		func() { l.api.Unfreeze(ctx, at(name), o) },
		func() { l.api.Delete(ctx, at(name), false, o) },
		func() { l.api.Restore(ctx, at(name), o) },
		func() { l.api.Purge(ctx, at(name), o) },
		func() { l.api.Rename(ctx, at(name), inventory.RenameArgs{Name: pick()}, o) },
		func() { l.api.Clone(ctx, at(name), inventory.CloneArgs{Name: pick()}, o) },
		func() {
			size := map[string]string{"memory": fmt.Sprintf("%dMiB", 64+16*random.IntN(3)), "disk": fmt.Sprintf("%dMiB", 64+random.IntN(3))}
			l.api.Update(ctx, at(name), inventory.UpdateArgs{Settings: size}, o)
		},
		func() { l.api.CreateSnapshot(ctx, at(name), inventory.SnapshotArgs{Name: snapshot}, o) },
		func() { l.api.RestoreSnapshot(ctx, at(name), snapshot, o) },
		func() { l.api.DeleteSnapshot(ctx, at(name), snapshot, o) },
		func() {
			if a, err := l.api.Kill(ctx, at(name), client.Options{}); err == nil && a.Operation != nil {
				l.api.Cancel(ctx, a.Operation.ID)
			}
		},
		func() { l.tryExec(name, "true") },
	}
	asked[random.IntN(len(asked))]()
}
