package repository

import (
	"os"
	"strconv"

	"github.com/restic/restic/internal/crypto"
)

// The one thing that the movers' restic has beyond restic itself: HOLDFAST_SCRYPT_N=16384 is what new keys are derived with, in place of
// parameters that take half a second. It is for passwords of 256 random bits alone (docs/adr/0004-restic.md); without the variable
// nothing is changed, and what is written is read by every restic.
func init() {
	n, err := strconv.Atoi(os.Getenv("HOLDFAST_SCRYPT_N"))
	if err == nil && n >= 1<<14 && n&(n-1) == 0 {
		params = &crypto.Params{N: n, R: 8, P: 1}
	}
}
