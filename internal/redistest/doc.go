// Package redistest runs real redis-server processes for tests and breaks the
// way to them on purpose.
//
// Server, Cluster and Sentinels are processes on loopback ports of their own;
// Proxy stands between a client and one of them and injects faults. Everything
// ends with the test that started it, also when the test binary is killed.
package redistest
