package importinto

import (
	"errors"

	"dxfproxy/dxf"
	"dxfproxy/seal"
	"dxfproxy/source"
)

// CloseLocation puts a location into the meta of an import that has its table's name: as it
// is, or, if it has secrets, masked and beside it sealed. k may be nil where there are
// none.
func CloseLocation(k *seal.Key, m *Meta, location string) error {
	m.Location, m.Sealed = source.Mask(location), ""
	if m.Location == location {
		return nil
	}
	if k == nil {
		return errors.New("there is no key for the secrets of a location")
	}
	var err error
	m.Sealed, err = k.Seal(location, m.sealedFor()...)
	return err
}

// Location gives the location of an import as it was typed. k may be nil where there
// are no secrets.
func Location(k *seal.Key, m Meta) (string, error) {
	if m.Sealed == "" {
		return m.Location, nil
	}
	if k != nil {
		location, err := k.Open(m.Sealed, m.sealedFor()...)
		if !errors.Is(err, seal.ErrOpen) {
			return location, err
		}
	}
	return "", dxf.Errorf("the secrets of the location cannot be read: the nodes have other passwords for the store's account " +
		"in --store, or it was changed while the import ran; import again")
}
