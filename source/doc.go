// Package source is where the bytes of IMPORT INTO come from: files of the
// node's disk, and objects of S3, Google Cloud Storage and Azure.
//
// A location is what the statement names after FROM ([Parse]). Opened, it lists
// the files it matches and reads them, whole or in part, as they are stored;
// [Unpack] undoes a compression. A reader outlives the connections it needs: it
// goes on where the last one broke, and only in the version of the object that
// it began with. An object that was replaced meanwhile is an error, never a
// mixture.
//
// Locations are written by clients, who are not to be trusted with what the node can
// reach. A [Policy] is what the operator lets them read: folders, opened so that
// nothing leads out of them; addresses, looked at where they are dialled; and the
// places that may be read with the node's own credentials. What a store answers is
// bounded, and what is wrong with an address is told in the node's log alone.
//
// Errors that a client may see are *dxf.Error with TiDB's numbers: 8158 for a
// location that is wrong in itself, 8159 for one we are not let into, 8160 for
// files that cannot be read; and MySQL's 1290 for files outside of the folders. Secrets of a location are in none of them.
package source
