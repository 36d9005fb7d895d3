// Package schedule has snapshots taken again and again (snapshot.schedule), and keeps as many of them
// as asked for (snapshot.keep).
//
// Every container with a schedule has one deadline: a snapshot.create when it is due next, made by the
// scheduler of the setting. It passes the gate like a person's. Tend makes the next one from what is
// due, done and missed, so it may be called at any time: after a crash, a jump of the clock or a
// restored database. What was due while no agent ran is run once, not once for each time.
//
// The deadlines that are over are the record of the runs. What is kept is judged after each run, and
// whatever isn't passes the gate as a snapshot.delete. Snapshots that somebody took by hand are not
// judged.
package schedule
