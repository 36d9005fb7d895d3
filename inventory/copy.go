package inventory

// A Copy is what the database knows of one container, or of the host itself, kept as a file beside
// the data: what recovery rebuilds a lost database from. Nothing else reads one.
type Copy struct {
	Schema int64 `yaml:"schema"` // version of the database the rows are from
	Event  int64 `yaml:"event"`  // number of the newest event when they were read
	// Tables holds rows by table and column: whole numbers, text, and nil.
	Tables map[string][]map[string]any `yaml:"tables"`
}
