package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// step is one printed curl line: what to send, and what it says will be answered.
type step struct {
	line, method, url     string
	times, status, within int
}

var printedStep = regexp.MustCompile(`^  curl -i (?:-X (\w+) )?"?([^" ?]+)(?:\?\[1-(\d)\]")? +# (?:(\d) x )?(\d{3})(?:, Retry-After: (\d+) or less)?$`)

func stepsOf(t *testing.T, printed []string) (steps []step) {
	t.Helper()
	for _, line := range printed {
		if !strings.Contains(line, "curl") {
			continue
		}
		part := printedStep.FindStringSubmatch(line)
		require.NotNil(t, part, "the test cannot read %q", line)
		require.Equal(t, part[3], part[4], "%q asks another number of times than it says", line)
		s := step{line: line, method: part[1], url: "http://" + part[2], times: 1}
		if s.method == "" {
			s.method = http.MethodGet
		}
		if part[4] != "" {
			s.times, _ = strconv.Atoi(part[4])
		}
		s.status, _ = strconv.Atoi(part[5])
		s.within, _ = strconv.Atoi(part[6])
		steps = append(steps, s)
	}
	require.Len(t, steps, 9)
	return steps
}

// take sends the requests of one step and says what differs from what was printed.
func (s step) take() error {
	for range s.times {
		request, err := http.NewRequest(s.method, s.url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode != s.status {
			return fmt.Errorf("%q was answered with %d", s.line, response.StatusCode)
		}
		if port := request.URL.Port(); response.Header.Get("X-Served-By") != port {
			return fmt.Errorf("%q was served by %q", s.line, response.Header.Get("X-Served-By"))
		}
		if err := s.checkWait(response.Header.Get("Retry-After")); err != nil {
			return err
		}
	}
	return nil
}

// checkWait allows a second more than is printed for a person: within the mark's first millisecond the wait is a millisecond
// more than the interval, and no wait is ever told too short.
func (s step) checkWait(header string) error {
	seconds, _ := strconv.Atoi(header)
	if s.within == 0 && header == "" || s.within > 0 && seconds >= 1 && seconds <= s.within+1 {
		return nil
	}
	return fmt.Errorf("%q was answered with Retry-After %q", s.line, header)
}

// TestPrintedLinesTellTheTruth sends what the program tells its user to try, in the printed order.
func TestPrintedLinesTellTheTruth(t *testing.T) {
	for name, env := range map[string]func(t *testing.T) string{
		"embedded Redis": func(*testing.T) string { return "REDIS_URL=" },
		"real Redis":     func(t *testing.T) string { return "REDIS_URL=redis://" + redistest.Start(t).Addr() },
	} {
		t.Run(name, func(t *testing.T) {
			for {
				e := start(t, env(t))
				began := time.Now()
				err := takeAll(stepsOf(t, e.printed))
				took := time.Since(began)
				require.NoError(t, e.stop(t))
				if err == nil {
					return
				}
				// The shortest interval is 3 s: a machine that was slower than that has made the lines lie.
				require.Greater(t, took, 3*time.Second, "%v", err)
				t.Logf("again, because it took %s: %v", took, err)
			}
		})
	}
}

func takeAll(steps []step) error {
	for _, s := range steps {
		if err := s.take(); err != nil {
			return err
		}
	}
	return nil
}
