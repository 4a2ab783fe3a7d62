package main

import (
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStopsCleanly(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		e := start(t)
		require.NoError(t, e.stop(t), "the exit code must be 0")
		require.Empty(t, e.stderr.String())
	})
	t.Run("with a connection that never asks", func(t *testing.T) {
		e := start(t)
		address, err := url.Parse(stepsOf(t, e.printed)[0].url)
		require.NoError(t, err)
		conn, err := net.Dial("tcp", address.Host)
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, e.stop(t), "the exit code must be 0")
	})
}

// TestComplaints: what cannot work is said in one sentence, and the exit code is 1.
func TestComplaints(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())

	for name, test := range map[string]struct{ env, says string }{
		"first port taken":   {"PORTS=" + port + ",0", "port " + port + " cannot be used"},
		"second port taken":  {"PORTS=0," + port, "port " + port + " cannot be used"},
		"one port":           {"PORTS=8080", `PORTS must be two ports like 8080,8081 and is "8080"`},
		"another scheme":     {"REDIS_URL=http://localhost", "REDIS_URL must look like redis://localhost:6379"},
		"unreadable URL":     {"REDIS_URL=redis://:s3cret@local host", "REDIS_URL must look like redis://localhost:6379"},
		"no Redis there":     {"REDIS_URL=redis://127.0.0.1:1", "the Redis of REDIS_URL does not answer at 127.0.0.1:1"},
		"a Redis that hangs": {"REDIS_URL=redis://" + taken.Addr().String(), "the Redis of REDIS_URL does not answer at"},
	} {
		t.Run(name, func(t *testing.T) {
			printed, err := command(test.env).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 1, exit.ExitCode())
			require.Contains(t, string(printed), test.says)
			require.Equal(t, 1, strings.Count(string(printed), "\n"), "one sentence, not:\n%s", printed)
			require.NotContains(t, string(printed), "s3cret")
		})
	}
}

func TestForgedHeaderIsNoOtherClient(t *testing.T) {
	e := start(t)
	pay := stepsOf(t, e.printed)[0]
	require.NoError(t, pay.take())
	request, err := http.NewRequest(pay.method, pay.url, nil)
	require.NoError(t, err)
	request.Header.Set("X-Forwarded-For", "203.0.113.7")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	_ = response.Body.Close()
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
}

func TestOnlyTheOtherPageMayReadAnswers(t *testing.T) {
	e := start(t)
	address := stepsOf(t, e.printed)[0].url
	for origin, allowed := range map[string]string{
		strings.TrimSuffix(address, "/pay"): strings.TrimSuffix(address, "/pay"),
		"http://example.com":                "",
		"null":                              "",
	} {
		request, err := http.NewRequest(http.MethodPost, address, nil)
		require.NoError(t, err)
		request.Header.Set("Origin", origin)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		_ = response.Body.Close()
		require.Equal(t, allowed, response.Header.Get("Access-Control-Allow-Origin"), origin)
	}
}
