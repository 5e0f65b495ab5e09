"""From numbers to what is drawn: places, lengths and labels, and the table beside each chart.

`templates/charts.html` turns them into SVG. Charts are drawn for a width of some 400 units, so that
their words can be read on a phone.
"""
