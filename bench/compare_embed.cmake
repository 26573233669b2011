# Turns compare.ini and compare.css into C: cmake -DOUT=compare_files.c -DDIR=bench -P compare_embed.cmake
cmake_minimum_required(VERSION 3.20)

foreach(file compare.ini compare.css)
  file(READ ${DIR}/${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(MAKE_C_IDENTIFIER ${file} name)
  string(APPEND arrays "const char ${name}[] = {${bytes}0};\n")
endforeach()
file(WRITE ${OUT} "/* Made by bench/compare_embed.cmake. */\n#include \"bench/compare.h\"\n\n${arrays}")
