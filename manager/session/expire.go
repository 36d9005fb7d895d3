package session

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lodge/inventory"
)

// verbExpire names the record of recordings that are deleted; audit.VerbExpire reads it.
const verbExpire = "session.recording.expire"

const (
	expireEvery = time.Hour
	expireMost  = 2000 // files in one record
)

// Run deletes recordings whose time is up, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	for {
		if err := s.expire(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("old recordings are not deleted", "error", err)
		}
		select {
		case <-time.After(expireEvery):
		case <-ctx.Done():
			return
		}
	}
}

// expire deletes what is older than session.record.keep. The record of it is durable before, so that a
// recording that is missing was either named there or taken away by somebody.
func (s *Service) expire(ctx context.Context) error {
	if s.Config.Settings == nil {
		return nil
	}
	above, err := s.Config.Settings.Layers(ctx, "")
	if err != nil || len(above) == 0 {
		return err
	}
	days, err := strconv.Atoi(above[len(above)-1].Values[SettingKeep])
	if err != nil || days <= 0 {
		return nil // it is checked when it is set; none is for ever
	}
	old, err := s.recordingsBefore(s.Now().AddDate(0, 0, -days))
	for err == nil && len(old) > 0 {
		n := min(len(old), expireMost)
		err = s.deleteRecordings(ctx, old[:n])
		old = old[n:]
	}
	return err
}

// recordingsBefore names those that were last added to before t and whose session is over.
func (s *Service) recordingsBefore(t time.Time) (old []string, err error) {
	files, err := os.ReadDir(s.cast)
	for _, f := range files {
		id, isRecording := strings.CutSuffix(f.Name(), recordingSuffix)
		live := s.isLive(inventory.SessionID(id))
		info, err := f.Info()
		if isRecording && !live && err == nil && info.ModTime().Before(t) {
			old = append(old, f.Name())
		}
	}
	return old, err
}

// isLive reports whether a session's outcome is still to come.
func (s *Service) isLive(id inventory.SessionID) bool {
	h, ok := s.find(id)
	if !ok {
		return false
	}
	select {
	case <-h.over:
		return false
	default:
		return true
	}
}

func (s *Service) deleteRecordings(ctx context.Context, files []string) error {
	detail, _ := json.Marshal(map[string][]string{"files": files})
	_, err := s.Journal.Append(ctx, inventory.Record{At: s.Now(), Kind: inventory.RecordFact, Verb: verbExpire,
		Principal: inventory.System(SettingKeep), Subject: "recordings",
		Result: fmt.Sprintf("%d recordings are deleted: their time is up", len(files)), Detail: detail})
	if err != nil {
		return err
	}
	for _, name := range files {
		if err := os.Remove(filepath.Join(s.cast, name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	s.Log.Info("old recordings are deleted", "recordings", len(files))
	return nil
}
