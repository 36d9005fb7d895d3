// Package remote gets images from servers that publish them as simplestreams: JSON indexes below
// streams/v1 that name products, versions and files, each file with its size and SHA-256.
//
// Whatever a server says is parsed by a child of the agent that is nobody, has no capabilities, can
// start no program and open no file for writing: [Find] and [Fetch] are the agent's side, [Main] the
// child's. The bytes of a file go through the child to the agent, which counts and hashes them and
// looks at none.
//
// The indexes are the word of the server's certificate, or, where a key was given with the remote,
// of whoever holds that: they then have to be clear-signed (.sjson). The files are as good as the
// index, by their SHA-256.
//
// The child connects to public addresses and to the remote itself, wherever that is; a redirect to
// an address of this host or of a private network is refused, or a server could have the agent ask
// what only the agent can reach.
package remote
