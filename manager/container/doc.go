// Package container has the verbs of a container's life: create, launch, power, settings, rename,
// clone, snapshots, trash and purge; and what happens without being asked: adoption after the
// agent's restart, boot order, restart policy.
//
// Every verb is a row for the gate: Prepare says what would change and changes nothing; the steps
// do it, each able to run again over its own half-done work, because the agent may die anywhere
// between them. The database is the desired state; the steps bring the host to it.
package container
