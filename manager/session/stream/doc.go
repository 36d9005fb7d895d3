// Package stream is the protocol between a session's holder and whoever is attached to it: the
// agent, and through it the command line, the web console and the SSH door. The agent only splices
// bytes; the frames a client reads are those the holder wrote.
//
// A frame is a type (one byte), the length of its payload (four bytes, big endian) and the payload,
// at most MaxPayload bytes. Control frames hold JSON, so fields can be added; those that carry data
// are binary.
//
// Both directions survive a broken connection. Output frames carry a cursor, the position right
// behind them in the session's output; a client that attaches again says the cursor it has and gets
// what follows. Input frames carry the offset of their first byte; the holder says in Welcome how
// far it has them and the client sends the rest again.
//
// Flow control: a client may have at most Window bytes of input beyond what StdinAck reported, so
// the holder never stops reading a connection and a full input can't hold up the frames behind it.
// Output is paced by the connection, and by Ack: a command whose attached writer falls behind is
// made to wait, none of its output is dropped.
//
// It imports the standard library only, so that it builds wherever the command line does.
package stream
