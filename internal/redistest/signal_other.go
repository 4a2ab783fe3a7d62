//go:build !unix

package redistest

import "errors"

// supported is false here, so Require ends a test before it needs a signal.
const supported = false

func sendStop(int) error { return errors.ErrUnsupported }

func sendContinue(int) error { return errors.ErrUnsupported }
