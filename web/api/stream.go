package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/web/wire"
)

// stream turns the connection into a session's stream (RFC 9110, 7.8). The session is attached
// first, so that a refusal is still an HTTP answer; then bytes go both ways unread. Whichever end
// closes first ends the attachment, never the session: its holder goes on without us.
//
// A WebSocket for browsers comes in here too, with another way to get at the client's connection.
func (a *API) stream(w http.ResponseWriter, r *http.Request) error {
	if !strings.EqualFold(r.Header.Get("Upgrade"), wire.StreamProtocol) {
		return inventory.Errorf(inventory.ErrInvalid,
			"a session's stream needs the header Upgrade: %s", wire.StreamProtocol)
	}
	readOnly := flag(r.URL.Query(), "read_only")
	verb := "session.attach"
	if readOnly {
		verb = "session.watch"
	}
	s, leave, err := a.reach(r.Context(), verb, r.PathValue("id"))
	if err != nil {
		return err
	}
	holder, err := a.Sessions.Attach(r.Context(), s.ID, readOnly)
	if err != nil {
		leave("failed: " + err.Error())
		return err
	}
	defer leave("detached")
	defer holder.Close()
	client, early, err := takeOver(w)
	if err != nil {
		return err
	}
	defer client.Close()
	defer context.AfterFunc(r.Context(), func() { client.Close() })()
	splice(client, early, holder)
	return nil
}

// takeOver answers 101 and takes the connection from net/http. early is what the client has sent
// ahead of our answer.
func takeOver(w http.ResponseWriter) (client net.Conn, early io.Reader, err error) {
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, inventory.Errorf(inventory.ErrUnavailable,
			"this connection can't become a stream: %v", err)
	}
	client.SetDeadline(time.Time{}) // the server's were for HTTP
	_, err = io.WriteString(client, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+
		wire.StreamProtocol+"\r\n\r\n")
	if err != nil {
		client.Close() // gone already; there is nobody to tell
	}
	return client, io.LimitReader(buffered.Reader, int64(buffered.Reader.Buffered())), nil
}

// splice copies both ways until one side ends, and closes both.
func splice(client net.Conn, early io.Reader, holder net.Conn) {
	ended := make(chan struct{}, 2)
	go func() {
		if _, err := io.Copy(holder, early); err == nil {
			io.Copy(holder, client)
		}
		ended <- struct{}{}
	}()
	go func() {
		io.Copy(client, holder)
		ended <- struct{}{}
	}()
	<-ended
	client.Close()
	holder.Close()
	<-ended
}
