package main

// nearest returns the word a person most likely meant: the one with the fewest letters changed,
// added or left out, if it is near enough to be no coincidence; "" if none is.
func nearest(words []string, typed string) string {
	best, least := "", len(typed)/3+1
	for _, word := range words {
		if len(word) < 2 || word == typed {
			continue
		}
		if d := distance(word, typed); d <= least && d < len(word) && (best == "" || d < least) {
			best, least = word, d
		}
	}
	return best
}

// distance is Levenshtein's, with two neighbours in the wrong order as one mistake.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
