alter table retyped alter column price type integer using round(price);
