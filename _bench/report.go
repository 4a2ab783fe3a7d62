package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// report is bench.json. A run replaces the parts that it measured.
type report struct {
	Environment environment  `json:"environment"`
	Router      []result     `json:"router,omitempty"`
	Limits      []result     `json:"limits,omitempty"`
	Cluster     []result     `json:"cluster,omitempty"`
	Distant     []result     `json:"distant,omitempty"`
	HTTP        []httpResult `json:"http,omitempty"`
	Scale       *scale       `json:"scale,omitempty"`
}

type environment struct {
	Go         string `json:"go"`
	OS         string `json:"os"`
	Processors int    `json:"gomaxprocs"`
	Redis      string `json:"redis"`
}

const reportFile = "bench.json"

func loadReport() (report, error) {
	var r report
	text, err := os.ReadFile(reportFile)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", reportFile, err)
	}
	return r, nil
}

func (r report) save(ctx context.Context) error {
	s, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	version, err := s.info(ctx, "redis_version")
	if err != nil {
		return err
	}
	r.Environment = environment{
		Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH, Processors: runtime.GOMAXPROCS(0), Redis: version[0],
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(reportFile, append(text, '\n'), 0o644)
}
