package role

// Confine and WarmUp are what Main does between root and confinement.
var (
	Confine = confine
	WarmUp  = warmUp
)
