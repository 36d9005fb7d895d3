package evidence

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"time"
	"unicode"
	"unicode/utf16"
)

// dossier is evidence.json, and what the page shows.
type dossier struct {
	Format     int       `json:"format"`
	Name       string    `json:"name"`
	From       time.Time `json:"from,omitzero"`
	To         time.Time `json:"to,omitzero"`
	WrittenAt  time.Time `json:"written_at"`
	Journal    Signer    `json:"journal"`
	Containers []part    `json:"containers"`
	Records    []Record  `json:"records"` // that anything above names, by number
}

type part struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Chapters []told `json:"chapters"`
}

type told struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Notes  []string `json:"notes,omitempty"`
	Tables []Table  `json:"tables"`
}

// add tells all chapters of a case, and returns the files that go with them.
func (d *dossier) add(ctx context.Context, c *Case, chapters []Chapter) (files []File, err error) {
	p := part{ID: string(c.ID), Name: c.last().String()}
	cited := map[int64]bool{}
	for _, ch := range chapters {
		content, err := ch.Tell(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("the chapter %s: %w", ch.Name, err)
		}
		for _, t := range content.Tables {
			for _, r := range t.Rows {
				for _, seq := range r.Records {
					cited[seq] = true
				}
			}
		}
		p.Chapters = append(p.Chapters, told{ch.Name, ch.Title, content.Notes, content.Tables})
		for _, f := range content.Files { // several containers of one name have a folder each
			files = append(files, File{folder(len(d.Containers)) + f.Name, f.Content})
		}
	}
	d.Containers = append(d.Containers, p)
	for _, r := range d.Records { // of another container, or of who was given what
		delete(cited, r.Seq)
	}
	for _, r := range slices.Concat(c.Records, c.Standing) {
		if cited[r.Seq] {
			d.Records = append(d.Records, r)
			delete(cited, r.Seq)
		}
	}
	slices.SortFunc(d.Records, func(a, b Record) int { return int(a.Seq - b.Seq) })
	return files, nil
}

func folder(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("container-%d/", n+1)
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"shown": Shown, "when": when}).Parse(pageText))

// files are the two that tell the same: for programs, and for people.
func (d *dossier) files() ([]File, error) {
	raw, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := page.Execute(&b, d); err != nil {
		return nil, err
	}
	return []File{{"evidence.json", escaped(raw)}, {"index.html", b.Bytes()}}, nil
}

// Shown makes a text safe to be looked at: what neither prints nor is a line's end is written as its
// code point, so that it can't steer a terminal nor turn the direction of what stands beside it.
func Shown(text string) string {
	var b bytes.Buffer
	for _, r := range text {
		if unicode.IsPrint(r) || r == '\n' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "<%U>", r)
		}
	}
	return b.String()
}

// escaped writes what does not print as JSON's \u: in JSON it can only stand in texts.
func escaped(raw []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(raw) {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}
