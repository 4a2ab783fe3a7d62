package nginxtest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNginxPassesRequestsOn(t *testing.T) {
	Require(t)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Said"))
	})
	tcp := httptest.NewServer(echo)
	defer tcp.Close()
	socket := httptest.NewUnstartedServer(echo)
	path := filepath.Join(t.TempDir(), "app")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	_ = socket.Listener.Close()
	socket.Listener = listener
	socket.Start()
	defer socket.Close()

	for _, upstream := range []string{tcp.Listener.Addr().String(), "unix:" + path} {
		response, err := http.Get("http://" + Start(t, upstream, "proxy_set_header X-Said $remote_addr;"))
		require.NoError(t, err)
		said, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		assert.Equal(t, "127.0.0.1", string(said), upstream)
	}
}
