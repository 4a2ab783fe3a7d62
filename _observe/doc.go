// Package observe shows how ginlimit's observer feeds metrics. It is a module of its own, so that ginlimit's users need
// neither of the libraries.
package observe
