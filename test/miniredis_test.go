package test

import (
	"net/http"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
)

func TestOnMiniredis(t *testing.T) {
	server := miniredis.RunT(t)
	server.ClockTTL(true)
	for _, limit := range []int{1, 3} {
		r := Router()
		r.GET("/x", New(Quiet, Patient, WithRedis(Client(t, server.Addr())), WithLimit(limit), WithInterval(100*time.Millisecond)), OK)
		for range limit {
			assert.Equal(t, http.StatusOK, Request(r, "GET", "/x", Alice).Code)
		}
		require.Eventually(t, func() bool { return Request(r, "GET", "/x", Alice).Code == 200 }, 10*time.Second, time.Millisecond)
	}
}
