// Package unprivileged is what the roles of the agent that face a network or a container have in
// common: they give up every right for good, and are told what to do in messages that carry files.
package unprivileged
