// Package addressing has the verbs that change networks, and that keep addresses from containers.
// What they leave is rows; the package network makes the host match them.
//
// A network is claimed on the host before it is made, and made before it has a row: an agent that
// dies in between finds nothing that names it, and the undo takes the rest away. It goes in the other
// order, row first, and that is finished rather than undone: with the row went everybody's right to
// be on it.
package addressing
