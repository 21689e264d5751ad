"""How a report looks: on a screen in light and dark, and on paper, lying A4."""

STYLE = """
:root{color-scheme:light dark;--text:#1a2233;--muted:#5b6577;--line:#d7dce5;--card:#f5f7fa;
--page:#fff;--bar:#2f5fd0;--good:#1b7f4f;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--text:#e6e9ef;--muted:#9aa4b5;--line:#333b49;
--card:#1b212c;--page:#12161d;--bar:#7ea2ff;--good:#5fce97;--bad:#ff8a80}}
*{box-sizing:border-box}
body{font:14px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif;color:var(--text);
background:var(--page);max-width:1280px;margin:0 auto;padding:24px}
h1{font-size:26px;margin:0}h2{font-size:19px;margin:38px 0 12px;border-bottom:1px solid var(--line);
padding-bottom:4px}h3{font-size:14px;margin:22px 0 6px}
p{margin:8px 0}
.muted,.source,caption{color:var(--muted)}.source{font-size:11px;margin-top:4px}
code{margin-right:8px}
nav{display:flex;flex-wrap:wrap;gap:4px 16px}nav a,.raw a{color:var(--bar)}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(210px,1fr));gap:10px}
.figure{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px;
display:flex;flex-direction:column}
.figure b{display:block;font-size:22px;font-variant-numeric:tabular-nums}
.figure .source{margin-top:auto;padding-top:4px}
.good{color:var(--good)}.bad{color:var(--bad)}
.small{display:grid;grid-template-columns:repeat(auto-fill,minmax(290px,1fr));gap:4px 20px}
.small figure{margin:0;min-width:0}.small h3{font-size:12.5px;margin:14px 0 4px;
overflow-wrap:anywhere}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:12.5px;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:5px 8px;border-bottom:1px solid var(--line);
min-width:76px;max-width:340px;overflow-wrap:break-word}
th{color:var(--muted);font-weight:600;line-height:1.25;vertical-align:bottom}
th.long{min-width:210px}
.missing{border:1px solid var(--bad);border-radius:8px;padding:10px 12px}
svg{display:block;width:100%;height:auto}svg text{fill:var(--muted);font-size:10px}
footer{margin-top:38px;border-top:1px solid var(--line);padding-top:8px;overflow-wrap:anywhere}
@page{size:A4 landscape;margin:12mm 12mm 14mm;
@bottom-right{content:counter(page) " / " counter(pages);font:9px system-ui,sans-serif;color:#444}}
@media print{:root{color-scheme:light;--text:#000;--muted:#444;--line:#bbb;--card:#fff;--page:#fff;
--bar:#2f5fd0;--good:#0b5d36;--bad:#8c1d18}
body{padding:0;max-width:none;font-size:11px}nav,.raw{display:none}
h2,h3{break-after:avoid}h2{margin-top:22px}h3{font-size:12px;margin-top:14px}
.figure,tr,svg,figure,.missing{break-inside:avoid}thead{display:table-header-group}
.figures{grid-template-columns:repeat(5,1fr);gap:6px}.figure{padding:6px 8px}
.figure b{font-size:16px}.source{font-size:8.5px}.small{grid-template-columns:repeat(3,1fr)}
.wide{overflow:visible}table{font-size:9.5px}
th,td{min-width:52px;max-width:none;padding:3px 5px;overflow-wrap:anywhere}th.long{min-width:130px}}
"""
