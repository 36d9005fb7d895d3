package api

// Answering is how many requests are being answered.
func (a *API) Answering() int { return len(a.answering.calls()) }
