package role

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/manager/unprivileged"
	"lodge/network/lease"
	"lodge/network/names"
)

// steering does what the agent asks over the control socket.
type steering struct {
	handler *names.Handler
	server  *names.Server
	leases  *lease.Server
	log     *slog.Logger
	info    Info // fixed

	mu   sync.Mutex // one request at a time, whoever asks
	once sync.Once
	quit chan struct{} // closed to exit
}

// accept serves agents until one says quit or SIGTERM comes.
func (s *steering) accept(control *net.UnixListener) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		select {
		case <-stop:
			s.stop()
		case <-s.quit:
		}
		control.Close()
	}()
	for {
		conn, err := control.AcceptUnix()
		if err != nil {
			select {
			case <-s.quit:
				s.leases.Close()
				s.server.Close()
				return nil
			default:
				return err
			}
		}
		go s.serve(conn)
	}
}

func (s *steering) stop() { s.once.Do(func() { close(s.quit) }) }

// serve answers one agent until it goes.
func (s *steering) serve(conn *net.UnixConn) {
	defer conn.Close()
	if uid, err := peerUID(conn); err != nil || uid != 0 {
		s.log.Warn("turned away a caller that isn't root", "uid", uid, "err", err)
		return
	}
	for {
		var req request
		files, err := unprivileged.Receive(conn, &req)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.log.Warn("the agent's connection broke", "err", err)
			}
			return
		}
		resp, attach := s.do(req, files)
		if err := unprivileged.Send(conn, resp, attach); err != nil {
			s.log.Warn("the agent's connection broke", "err", err)
			return
		}
		if req.Op == opQuit {
			s.stop()
			return
		}
	}
}

// do carries out one request. Files it doesn't use are closed.
func (s *steering) do(req request, files []*os.File) (resp response, attach []*os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.Op != opSockets {
		unprivileged.CloseAll(files)
	}
	switch req.Op {
	case opHello, opQuit:
	case opZone:
		var state State
		if err := json.Unmarshal(req.Zone, &state); err != nil {
			return response{Error: "the zone can't be read: " + err.Error()}, nil
		}
		changed := s.handler.Serial() != state.Serial
		s.handler.SetZone(state.Zone)
		if changed {
			go s.server.Notify()
			go s.server.Push()
		}
		s.leases.SetLinks(state.Links)
	case opSockets:
		if err := s.setSockets(req, files); err != nil {
			return response{Error: err.Error()}, nil
		}
	case opHandover:
		for _, socket := range s.sockets() {
			resp.Sockets = append(resp.Sockets, socket.Name)
			attach = append(attach, socket.File)
		}
	default:
		return response{Error: fmt.Sprintf("request %q is unknown to version %s", req.Op,
			s.info.Version)}, nil
	}
	info := s.info
	info.Serial = s.handler.Serial()
	for _, socket := range s.sockets() {
		info.Sockets = append(info.Sockets, socket.Name)
	}
	resp.Info = &info
	return resp, attach
}

// setSockets serves the new sockets before it drops the old ones.
func (s *steering) setSockets(req request, files []*os.File) error {
	if len(files) != len(req.Sockets) {
		unprivileged.CloseAll(files)
		return fmt.Errorf("%d sockets were named and %d came", len(req.Sockets), len(files))
	}
	var errs []error
	for i, f := range files {
		if err := s.serverOf(req.Sockets[i]).Serve(names.Socket{Name: req.Sockets[i], File: f}); err != nil {
			f.Close()
			errs = append(errs, err)
		}
	}
	for _, socket := range s.sockets() {
		if !slices.Contains(req.Keep, socket.Name) && !slices.Contains(req.Sockets, socket.Name) {
			s.serverOf(socket.Name).Drop(socket.Name)
		}
	}
	return errors.Join(errs...)
}

// server is what serves sockets of one kind: names, or leases.
type server interface {
	Serve(names.Socket) error
	Drop(name string)
}

func (s *steering) serverOf(socket string) server {
	if lease.IsSocket(socket) {
		return s.leases
	}
	return s.server
}

func (s *steering) sockets() []names.Socket { return append(s.server.Sockets(), s.leases.Sockets()...) }

// peerUID is the uid the other end had when it connected (SO_PEERCRED, unix(7)).
func peerUID(conn *net.UnixConn) (uint32, error) {
	cred, err := peer(conn)
	if err != nil {
		return ^uint32(0), err
	}
	return cred.Uid, nil
}

func peer(conn *net.UnixConn) (cred *unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	if cerr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); cerr != nil {
		return nil, cerr
	}
	return cred, err
}
