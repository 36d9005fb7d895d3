// Package inventory holds Lodge's nouns and the pure rules about them: containers, images,
// operations, principals, settings, sizes, names, the filter language and the error kinds.
//
// It imports the standard library and nothing else, so that every other package can speak its
// words without pulling in a database, liblxc or HTTP. It does nothing by itself: verbs live in
// the packages under manager, rows in inventory/store, wire types in web/wire.
//
// One word per thing: a name used here is the same in the command line, the API, the audit
// journal and the documentation.
package inventory
