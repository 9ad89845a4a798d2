import io

import docx
import openpyxl
import pypdf
import requests
import tqdm
from pdfminer.high_level import extract_text
from reportlab.pdfgen import canvas

frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
for kind in ("xlsx", "ods"):
    frame.to_excel(f"table.{kind}", index=False)
    print(pd.read_excel(f"table.{kind}").equals(frame))
print(openpyxl.load_workbook("table.xlsx").active["B3"].value)

document = docx.Document()
document.add_paragraph("written")
document.save("text.docx")
print(docx.Document("text.docx").paragraphs[0].text)

page = canvas.Canvas("page.pdf")
page.drawString(100, 700, "printed")
page.save()
print(pypdf.PdfReader("page.pdf").pages[0].extract_text().strip(), extract_text("page.pdf").strip())

print(frame.to_markdown(index=False))
print("<table" in frame.style.to_html(), len(list(tqdm.tqdm(range(3), file=io.StringIO()))), requests.codes.ok)
