package liblxc

import (
	"fmt"
	"time"

	"lodge/manager/session/stream"
)

// warnBefore is how long before its end a session is warned, or a quarter of its limit if that is less.
const warnBefore = time.Minute

// keepLimits ends a session in which nothing was typed or shown for long, or that has lasted for long.
// It is here and not with the agent, which may be away.
func (h *holder) keepLimits() {
	if h.Idle == 0 && h.Total == 0 {
		return
	}
	began, warned := time.Now(), time.Time{}
	for {
		end, limit, why := h.limit(began)
		before := min(warnBefore, limit/4)
		switch left := time.Until(end); {
		case left <= 0:
			h.cut(why)
			return
		case left <= before && !warned.Equal(end):
			h.tell(fmt.Sprintf("this session ends in %s: %s", left.Round(time.Second), why))
			warned = end
		case left <= before:
			time.Sleep(left)
		default:
			time.Sleep(left - before)
		}
		if h.isDead() {
			return
		}
	}
}

// limit is when the session ends if nothing happens, by which limit, and why.
func (h *holder) limit(began time.Time) (end time.Time, limit time.Duration, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	idle, total := time.Duration(h.Idle)*time.Second, time.Duration(h.Total)*time.Second
	if total > 0 {
		end, limit, why = began.Add(total), total, fmt.Sprintf("it may last %s", total)
	}
	if at := h.active.Add(idle); idle > 0 && (total == 0 || at.Before(end)) {
		end, limit, why = at, idle, fmt.Sprintf("nothing was typed or shown for %s", idle)
	}
	return end, limit, why
}

func (h *holder) isDead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.exit != nil
}

// tell says something to who is attached, beside the command's output.
func (h *holder) tell(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.record != nil {
		h.record.writer.Mark(text)
	}
	if err := h.spool.append(stream.TypeStderr, []byte("\r\nlodge: "+text+"\r\n")); err == nil {
		h.cond.Broadcast()
	}
}

// cut ends the session for a limit's sake.
func (h *holder) cut(why string) {
	h.tell("this session is ended: " + why)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end(&stream.Kill{By: "lodge", Reason: why})
}
