// Package line is one client's line to its Redis, shared by all that use this client in this process. What waits goes
// together, one round trip after another; the line knows whether each node answers, and bounds how long anybody waits.
package line
