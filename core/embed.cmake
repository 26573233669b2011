# Turns the page's files into C: cmake -DOUT=page_files.c -DDIR=core/page -P embed.cmake
cmake_minimum_required(VERSION 3.20)

function(embed page type)
  file(READ ${DIR}/${page} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(MAKE_C_IDENTIFIER ${page} name)
  set(arrays "${arrays}static const unsigned char ${name}[] = {${bytes}};\n" PARENT_SCOPE)
  set(rows "${rows}    {\"/${page}\", \"${type}\", ${name}, sizeof ${name}},\n" PARENT_SCOPE)
endfunction()

# The order is that of core/site.c.
embed(index.html "text/html; charset=utf-8")
embed(page.css "text/css; charset=utf-8")
embed(chat.js "text/javascript; charset=utf-8")
embed(node.js "text/javascript; charset=utf-8")
embed(token.js "text/javascript; charset=utf-8")
file(WRITE ${OUT} "/* Made from core/page by core/embed.cmake. */\n#include \"core/site.h\"\n\n${arrays}\n"
  "const struct wye_page_file wye_page_files[] = {\n${rows}    {0},\n};\n")
