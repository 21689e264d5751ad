"""Charts: echarts for small and live ones, plotly for those people zoom and select in."""
