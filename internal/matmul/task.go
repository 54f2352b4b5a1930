package matmul

// scratch is a worker's own memory.
type scratch[T element] struct {
	step  step[T]
	tiles int             // of the panel
	x     [][tileRows][]T // piece by piece, those of each tile
	lanes []partial[T]    // of each tile; one will do for rows of one piece
	w     [tileCols][]T
}

// task computes the part of dst that begins at row and col. Where a tile sticks
// out of it, its last row of x or w stands in for those that are not there.
func (p *product[T]) task(s *scratch[T], row, col int) {
	rowEnd, colEnd := min(row+p.panelRows, p.rows), min(col+blockCols, p.n)
	pieces := max((p.k+pieceLength-1)/pieceLength, 1)
	p.cutPanel(s, row, rowEnd, pieces)
	for c := col; c < colEnd; c += tileCols {
		for piece := range pieces {
			for i := range s.w {
				s.w[i] = p.piece(p.w.row(min(c+i, colEnd-1)), piece)
			}
			s.step.first, s.step.last = piece == 0, piece == pieces-1
			p.passPanel(s, piece, row, rowEnd, c, colEnd)
		}
	}
}

// passPanel adds one piece of a tile's rows of w to all tiles of the panel.
func (p *product[T]) passPanel(s *scratch[T], piece, row, rowEnd, col, colEnd int) {
	s.step.w = &s.w
	for t := range s.tiles {
		r := row + t*tileRows
		s.step.x, s.step.lanes = &s.x[piece*s.tiles+t], &s.lanes[min(t, len(s.lanes)-1)]
		s.step.rows = min(tileRows, rowEnd-r)
		p.kernel(&s.step)
		if !s.step.last {
			continue
		}
		for i := range s.step.rows {
			copy(p.dst.row(r + i)[col:colEnd], s.step.sums[i*tileCols:(i+1)*tileCols])
		}
	}
}

// cutPanel cuts the rows of the panel into tiles and pieces.
func (p *product[T]) cutPanel(s *scratch[T], row, rowEnd, pieces int) {
	s.tiles = (rowEnd - row + tileRows - 1) / tileRows
	if len(s.x) < s.tiles*pieces {
		s.x = make([][tileRows][]T, s.tiles*pieces)
		s.lanes = make([]partial[T], min(pieces-1, 1)*(s.tiles-1)+1)
	}
	for i := range s.tiles * pieces {
		piece, t := i/s.tiles, i%s.tiles
		for j := range s.x[i] {
			s.x[i][j] = p.piece(p.x.row(min(row+t*tileRows+j, rowEnd-1)), piece)
		}
	}
}

// piece returns piece i of a row.
func (p *product[T]) piece(row []T, i int) []T {
	return row[i*pieceLength : min((i+1)*pieceLength, p.k)]
}
