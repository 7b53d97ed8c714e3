dnl Takes igor into a PHP that is built from its source: see docs/extension.md of igor.

PHP_ARG_ENABLE([igor],
  [whether to build igor in],
  [AS_HELP_STRING([[--enable-igor[=DIR]]],
    [Build igor in: background workers that publish live state. DIR holds
    libigor.a and igor.h; the default is the folder ext/igor])],
  [no],
  [no])

if test "$PHP_IGOR" != "no"; then
  if test "$PHP_IGOR" = "yes"; then
    IGOR_DIR=`cd "$abs_srcdir/ext/igor" && pwd`
  else
    IGOR_DIR=$PHP_IGOR
  fi
  if test "$PHP_THREAD_SAFETY" = "no"; then
    AC_MSG_ERROR([igor runs PHP on several threads: add --enable-zts])
  fi
  for igor_file in libigor.a igor.h; do
    if test ! -f "$IGOR_DIR/$igor_file"; then
      AC_MSG_ERROR([there is no $igor_file in $IGOR_DIR: make extension builds it, and --enable-igor=DIR says where it is])
    fi
  done

  PHP_NEW_EXTENSION([igor], [igor.c], [no],, [-I$IGOR_DIR])
  dnl PHP's list of modules includes the header from another folder.
  PHP_ADD_INCLUDE([$IGOR_DIR])
  PHP_ADD_LIBRARY([pthread])
  PHP_ADD_LIBRARY([dl])
  PHP_ADD_LIBRARY([m])
  EXTRA_LIBS="$IGOR_DIR/libigor.a $EXTRA_LIBS"
fi
