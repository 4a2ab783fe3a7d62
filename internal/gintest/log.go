package gintest

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// Discard is a logger that keeps nothing.
var Discard = slog.New(slog.NewTextHandler(io.Discard, nil))

// A Log keeps what is logged. Its zero value is empty, and ready.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Logger returns a logger that writes to the log.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewJSONHandler(l, nil)) }

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// Entries returns the log lines so far, each as its attributes.
func (l *Log) Entries() (entries []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil {
			entries = append(entries, entry)
		}
	}
	return entries
}

// Codes returns the attribute "code" of each line.
func (l *Log) Codes() (codes []string) {
	for _, entry := range l.Entries() {
		codes = append(codes, entry["code"].(string))
	}
	return codes
}
