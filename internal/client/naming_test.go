package client

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestForParameter(t *testing.T) {
	for element, want := range map[string]string{
		"for=203.0.113.1":                    "203.0.113.1",
		`by=10.0.0.1; For="203.0.113.1:1"`:   "203.0.113.1:1",
		`proto=https;FOR="[2001:db8::1]:80"`: "[2001:db8::1]:80",
		"for=unknown":                        "unknown",
		"forx=203.0.113.1":                   "",
		"proto=https;host=shop.example":      "",
		"for":                                "",
		"":                                   "",
		";;=;":                               "",
	} {
		assert.Equal(t, want, forParameter(element), element)
	}
}
